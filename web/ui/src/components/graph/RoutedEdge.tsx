import { BaseEdge, type Edge, type EdgeProps } from '@xyflow/react'
import { roundedPath, type Point } from './layout'

export type RoutedFlowEdge = Edge<{ points: Point[] }, 'routed'>

/** An edge along the points that the layout found, around the tasks. */
export function RoutedEdge({ id, data, markerEnd }: EdgeProps<RoutedFlowEdge>) {
  return <BaseEdge id={id} path={roundedPath(data?.points ?? [])} markerEnd={markerEnd} />
}
