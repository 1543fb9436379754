import '@xyflow/react/dist/base.css'
import { Skeleton } from '@mantine/core'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { Controls, MiniMap, ReactFlow, ReactFlowProvider } from '@xyflow/react'
import { useMemo, useState } from 'react'
import type { Task, TaskGroup, TaskInstance } from '../../api/model'
import { EmptyMessage } from '../../ui/EmptyMessage'
import { taskLinks } from '../tasks/order'
import { allGroups, groupingOf, taskTree, type Grouping } from '../tasks/tree'
import { elk } from './engine'
import { flowEdges, flowNodes, miniMapColour, type FlowNode } from './flow'
import classes from './Graph.module.css'
import { FoldedNode, GroupNode } from './GroupNode'
import { layoutGraph, type GraphLayout } from './layout'
import { RoutedEdge } from './RoutedEdge'
import { TaskNode } from './TaskNode'

interface Props {
  tasks: Task[]
  groups: TaskGroup[]
  /** The states to show; none when the graph is of the DAG itself. */
  instances?: TaskInstance[]
  /** CSS length. A small DAG takes less. */
  maxHeight: string
}

const NODE_TYPES = { task: TaskNode, unfolded: GroupNode, folded: FoldedNode }
const EDGE_TYPES = { routed: RoutedEdge }
const MANY_TASKS = 40
/** Below the tasks there is room for the buttons that zoom. */
const FIT = { padding: { x: 0.04, top: 0.04, bottom: '52px' }, maxZoom: 1 } as const

export function DagGraph({ tasks, groups, instances, maxHeight }: Props) {
  const shape = useMemo(() => taskLinks(tasks), [tasks])
  const grouping = useMemo(() => groupingOf(tasks, groups), [tasks, groups])
  const [folded, setFolded] = useState<ReadonlySet<string>>(
    // A large DAG is read from its groups; what is of interest is unfolded.
    () => new Set(tasks.length > MANY_TASKS ? allGroups(taskTree(shape.map((task) => task.id), grouping)) : []),
  )
  const layout = useQuery({
    queryKey: ['layout', shape, shape.map((task) => grouping.ofTask(task.id)), groups, [...folded].sort()],
    queryFn: () => layoutGraph(elk, shape, folded, grouping),
    staleTime: Infinity,
    placeholderData: keepPreviousData,
  })
  const fold = (id: string) =>
    setFolded((before) => {
      const next = new Set(before)
      if (!next.delete(id)) next.add(id)
      return next
    })
  if (tasks.length === 0) return <EmptyMessage icon="graph" title="This DAG has no tasks" />
  if (layout.isError) return <EmptyMessage icon="alert" title="The graph could not be laid out" />
  if (layout.data === undefined) {
    return (
      <div className={classes.pending} role="status" aria-label="Laying out the graph">
        <Skeleton width={190} height={48} radius="md" />
        <Skeleton width={190} height={48} radius="md" />
        <Skeleton width={190} height={48} radius="md" />
      </div>
    )
  }
  return (
    // Another layout is another picture, which is fitted into its frame anew.
    <ReactFlowProvider key={layout.dataUpdatedAt}>
      <div style={{ height: heightOf(layout.data, maxHeight) }} className={classes.graph}>
        <Flow tasks={tasks} grouping={grouping} instances={instances} layout={layout.data} onFold={fold} />
      </div>
    </ReactFlowProvider>
  )
}

interface FlowProps {
  tasks: Task[]
  grouping: Grouping
  instances: TaskInstance[] | undefined
  layout: GraphLayout
  onFold: (groupId: string) => void
}

function Flow({ tasks, grouping, instances, layout, onFold }: FlowProps) {
  const [hovered, setHovered] = useState<string>()
  const nodes = useMemo(() => flowNodes(tasks, grouping, instances, layout, onFold), [tasks, grouping, instances, layout, onFold])
  const edges = useMemo(() => flowEdges(grouping, instances, layout, hovered), [grouping, instances, layout, hovered])
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
      {layout.nodes.length > MANY_TASKS && <MiniMap<FlowNode> pannable zoomable nodeColor={miniMapColour} />}
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
