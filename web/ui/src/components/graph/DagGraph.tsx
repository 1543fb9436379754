import '@xyflow/react/dist/base.css'
import { Skeleton } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Controls, MiniMap, ReactFlow, ReactFlowProvider } from '@xyflow/react'
import { useMemo, useState } from 'react'
import { taskState, type Task, type TaskInstance } from '../../api/model'
import { byName } from '../../lib/order'
import { EmptyMessage } from '../../ui/EmptyMessage'
import { TASK_FACES } from '../faces'
import { elk } from './engine'
import classes from './Graph.module.css'
import { layoutGraph, NODE, type GraphLayout, type GraphTask } from './layout'
import { RoutedEdge, type RoutedFlowEdge } from './RoutedEdge'
import { TaskNode, type TaskFlowNode } from './TaskNode'

interface Props {
  tasks: Task[]
  /** The states to show; none when the graph is of the DAG itself. */
  instances?: TaskInstance[]
  /** CSS length. A small DAG takes less. */
  maxHeight: string
}

const NODE_TYPES = { task: TaskNode }
const EDGE_TYPES = { routed: RoutedEdge }
const MANY_TASKS = 40
/** Below the tasks there is room for the buttons that zoom. */
const FIT = { padding: { x: 0.04, top: 0.04, bottom: '52px' }, maxZoom: 1 } as const

export function DagGraph({ tasks, instances, maxHeight }: Props) {
  const shape = useMemo(() => graphTasks(tasks), [tasks])
  const layout = useQuery({
    queryKey: ['layout', shape],
    queryFn: () => layoutGraph(elk, shape),
    staleTime: Infinity,
  })
  if (tasks.length === 0) return <EmptyMessage icon="graph" title="This DAG has no tasks" />
  if (layout.isError) return <EmptyMessage icon="alert" title="The graph could not be laid out" />
  if (layout.data === undefined) return <Skeleton height={maxHeight} role="status" aria-label="Laying out the graph" />
  return (
    <ReactFlowProvider>
      <div style={{ height: heightOf(layout.data, maxHeight) }} className={classes.graph}>
        <Flow tasks={tasks} instances={instances} layout={layout.data} />
      </div>
    </ReactFlowProvider>
  )
}

function Flow({ tasks, instances, layout }: Omit<Props, 'maxHeight'> & { layout: GraphLayout }) {
  const [hovered, setHovered] = useState<string>()
  const nodes = useMemo(() => flowNodes(tasks, instances, layout), [tasks, instances, layout])
  const edges = useMemo(() => flowEdges(instances, layout, hovered), [instances, layout, hovered])
  return (
    <ReactFlow
      nodes={nodes}
      edges={edges}
      nodeTypes={NODE_TYPES}
      edgeTypes={EDGE_TYPES}
      fitView
      fitViewOptions={FIT}
      minZoom={0.1}
      maxZoom={1.75}
      nodesDraggable={false}
      nodesConnectable={false}
      nodesFocusable={false}
      edgesFocusable={false}
      elementsSelectable={false}
      onNodeMouseEnter={(_, node) => setHovered(node.id)}
      onNodeMouseLeave={() => setHovered(undefined)}
      // The page scrolls with the wheel; the graph zooms with Ctrl or a pinch.
      zoomOnScroll={false}
      preventScrolling={false}
      aria-label="Task graph"
    >
      <Controls orientation="horizontal" showInteractive={false} fitViewOptions={FIT} />
      {tasks.length > MANY_TASKS && <MiniMap<TaskFlowNode> pannable zoomable nodeColor={miniMapColour} />}
    </ReactFlow>
  )
}

const MARGIN = 80
const LEAST_HEIGHT = 220

/** As high as the layout needs; less where the page is too narrow for it, and never more than allowed. */
function heightOf(layout: GraphLayout, maxHeight: string): string {
  const natural = Math.max(LEAST_HEIGHT, layout.height + MARGIN)
  const aspect = (layout.height / Math.max(1, layout.width)).toFixed(3)
  return `min(${natural}px, ${maxHeight}, max(${LEAST_HEIGHT}px, 100vw * ${aspect} + ${MARGIN}px))`
}

function graphTasks(tasks: Task[]): GraphTask[] {
  return tasks
    .flatMap((task) =>
      task.task_id === null ? [] : [{ id: task.task_id, downstream: [...(task.downstream_task_ids ?? [])].sort(byName) }],
    )
    .sort((a, b) => byName(a.id, b.id))
}

function flowNodes(tasks: Task[], instances: TaskInstance[] | undefined, layout: GraphLayout): TaskFlowNode[] {
  const definitions = new Map(tasks.map((task) => [task.task_id, task]))
  const states = new Map(instances?.map((instance) => [instance.task_id, instance]))
  return layout.nodes.map(({ id, x, y }) => ({
    id,
    type: 'task' as const,
    position: { x, y },
    ...NODE,
    data: { taskId: id, operator: definitions.get(id)?.operator_name ?? null, instance: states.get(id) },
  }))
}

function flowEdges(
  instances: TaskInstance[] | undefined,
  layout: GraphLayout,
  hovered: string | undefined,
): RoutedFlowEdge[] {
  const running = new Set(instances?.filter((each) => each.state === 'running').map((each) => each.task_id))
  return layout.edges
    .map((edge) => {
      const near = hovered === edge.source || hovered === edge.target
      return {
        id: edge.id,
        source: edge.source,
        target: edge.target,
        type: 'routed' as const,
        data: { points: edge.points },
        className: near ? classes.edgeNear : running.has(edge.target) ? classes.edgeRunning : undefined,
        zIndex: near ? 1 : 0,
      }
    })
    .sort((a, b) => a.zIndex - b.zIndex)
}

function miniMapColour(node: TaskFlowNode): string {
  const instance = node.data.instance
  return instance === undefined ? 'var(--quiet)' : `var(--${TASK_FACES[taskState(instance)].tone})`
}
