import type { Task, TaskInstance } from '../../api/model'
import { TASK_FACES } from '../faces'
import { byTask, summaryOf } from '../tasks/summary'
import { labelIn, type Grouping } from '../tasks/tree'
import classes from './Graph.module.css'
import type { GroupFlowNode } from './GroupNode'
import type { GraphLayout, LaidOutNode } from './layout'
import type { RoutedFlowEdge } from './RoutedEdge'
import type { TaskFlowNode } from './TaskNode'

export type FlowNode = TaskFlowNode | GroupFlowNode

/** What is drawn at each place of the layout: the tasks of the DAG, with their instances in a run. */
export function flowNodes(
  tasks: Task[],
  grouping: Grouping,
  instances: TaskInstance[] | undefined,
  layout: GraphLayout,
  onFold: (groupId: string) => void,
): FlowNode[] {
  const definitions = new Map(tasks.map((task) => [task.task_id, task]))
  const found = byTask(instances ?? [])
  return layout.nodes.map((node) => {
    const place = { id: node.id, position: { x: node.x, y: node.y }, width: node.width, height: node.height }
    if (node.kind === 'task') {
      const task = definitions.get(node.of)
      const shown = task?.task_display_name ?? node.of
      const data = {
        taskId: node.of,
        // A name is read with the groups that stand around it.
        label: shown === node.of ? labelIn(node.of, grouping.ofTask(node.of)) : shown,
        operator: task?.operator_name ?? null,
        isMapped: task?.is_mapped === true,
        instances: found.get(node.of) ?? [],
      }
      return { ...place, type: 'task' as const, data }
    }
    const inside = tasks.flatMap(({ task_id: id }) => (isWithin(id, node.of, grouping) ? [id] : []))
    const label = grouping.shown.get(node.of) ?? labelIn(node.of, grouping.around(node.of))
    const summary = summaryOf(inside.flatMap((id) => found.get(id) ?? []))
    const data = { groupId: node.of, label, size: inside.length, summary, onFold }
    return node.kind === 'group'
      ? { ...place, type: 'unfolded' as const, data, zIndex: -1, style: BEHIND }
      : { ...place, type: 'folded' as const, data }
  })
}

/** Whether a task is in a group, however deep. */
function isWithin(taskId: string, groupId: string, { ofTask, around }: Grouping): boolean {
  for (let group = ofTask(taskId); group !== ''; group = around(group)) if (group === groupId) return true
  return false
}

/** The box of a group lies behind its tasks, and only its head is to be clicked on. */
const BEHIND = { pointerEvents: 'none' } as const

export function flowEdges(
  grouping: Grouping,
  instances: TaskInstance[] | undefined,
  layout: GraphLayout,
  hovered: string | undefined,
): RoutedFlowEdge[] {
  const running = new Set(instances?.filter((each) => each.state === 'running').map((each) => each.task_id))
  const hasRunning = (node: LaidOutNode) =>
    node.kind === 'task' ? running.has(node.of) : [...running].some((id) => isWithin(id, node.of, grouping))
  const active = new Set(layout.nodes.filter(hasRunning).map((node) => node.id))
  return layout.edges
    .map((edge) => {
      const near = hovered === edge.source || hovered === edge.target
      return {
        id: edge.id,
        source: edge.source,
        target: edge.target,
        type: 'routed' as const,
        data: { points: edge.points },
        className: near ? classes.edgeNear : active.has(edge.target) ? classes.edgeRunning : undefined,
        zIndex: near ? 1 : 0,
      }
    })
    .sort((a, b) => a.zIndex - b.zIndex)
}

export function miniMapColour(node: FlowNode): string {
  if (node.type === 'unfolded') return 'transparent'
  const summary = node.type === 'task' ? summaryOf(node.data.instances) : node.data.summary
  return summary === null ? 'var(--quiet)' : `var(--${TASK_FACES[summary.state].tone})`
}
