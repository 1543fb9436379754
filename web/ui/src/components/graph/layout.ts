import type { ELK, ElkNode } from 'elkjs/lib/elk-api'

export interface GraphTask {
  id: string
  downstream: readonly string[]
}

export interface Point {
  x: number
  y: number
}

export interface GraphLayout {
  width: number
  height: number
  nodes: { id: string; x: number; y: number }[]
  /** The points of a line from the source's right edge to the target's left edge. */
  edges: { id: string; source: string; target: string; points: Point[] }[]
}

/** All nodes have one size, so that the layout does not depend on what is drawn in them. */
export const NODE = { width: 208, height: 50 }

const OPTIONS = {
  'elk.algorithm': 'layered',
  'elk.direction': 'RIGHT',
  'elk.edgeRouting': 'ORTHOGONAL',
  'elk.layered.spacing.nodeNodeBetweenLayers': '64',
  'elk.layered.spacing.edgeNodeBetweenLayers': '18',
  'elk.layered.spacing.edgeEdgeBetweenLayers': '9',
  'elk.spacing.nodeNode': '12',
  'elk.spacing.edgeNode': '14',
  'elk.layered.nodePlacement.strategy': 'BRANDES_KOEPF',
  'elk.layered.nodePlacement.bk.fixedAlignment': 'BALANCED',
  'elk.layered.considerModelOrder.strategy': 'NODES_AND_EDGES',
  'elk.layered.mergeEdges': 'true',
  // Tasks stand in the order in which they are written, as far as lines do not cross the more for it.
  'elk.layered.considerModelOrder.crossingCounterNodeInfluence': '0.1',
  'elk.layered.considerModelOrder.crossingCounterPortInfluence': '0.01',
  'elk.padding': '[top=8,left=8,bottom=8,right=8]',
}

/** What the layout engine is asked: the tasks in their order, and every edge between two of them. */
export function elkGraph(tasks: readonly GraphTask[]): ElkNode {
  const known = new Set(tasks.map((task) => task.id))
  return {
    id: 'dag',
    layoutOptions: OPTIONS,
    children: tasks.map((task) => ({ id: task.id, ...NODE })),
    edges: tasks.flatMap((task) =>
      task.downstream
        .filter((target) => known.has(target))
        .map((target) => ({ id: edgeId(task.id, target), sources: [task.id], targets: [target] })),
    ),
  }
}

export function edgeId(source: string, target: string): string {
  return JSON.stringify([source, target])
}

/** Reads the engine's answer. */
export function readLayout(laidOut: ElkNode): GraphLayout {
  return {
    width: laidOut.width ?? 0,
    height: laidOut.height ?? 0,
    nodes: (laidOut.children ?? []).map(({ id, x = 0, y = 0 }) => ({ id, x, y })),
    edges: (laidOut.edges ?? []).map((edge) => ({
      id: edge.id,
      source: edge.sources[0] ?? '',
      target: edge.targets[0] ?? '',
      points: (edge.sections ?? []).flatMap((section) => [
        section.startPoint,
        ...(section.bendPoints ?? []),
        section.endPoint,
      ]),
    })),
  }
}

/** Places tasks in layers from left to right. Equal input gives equal output. */
export async function layoutGraph(elk: ELK, tasks: readonly GraphTask[]): Promise<GraphLayout> {
  return readLayout(await elk.layout(elkGraph(tasks)))
}

/** An SVG path through the points whose corners are rounded. */
export function roundedPath(points: readonly Point[], radius = 10): string {
  const [first, ...rest] = points
  if (first === undefined) return ''
  let path = `M${first.x} ${first.y}`
  rest.forEach((corner, place) => {
    const before = points[place] ?? corner
    const after = rest[place + 1]
    if (after === undefined) {
      path += ` L${corner.x} ${corner.y}`
      return
    }
    const reach = Math.min(radius, distance(before, corner) / 2, distance(corner, after) / 2)
    const enter = towards(corner, before, reach)
    const leave = towards(corner, after, reach)
    path += ` L${enter.x} ${enter.y} Q${corner.x} ${corner.y} ${leave.x} ${leave.y}`
  })
  return path
}

function distance(a: Point, b: Point): number {
  return Math.hypot(a.x - b.x, a.y - b.y)
}

function towards(from: Point, to: Point, length: number): Point {
  const whole = distance(from, to)
  if (whole === 0) return from
  return { x: from.x + ((to.x - from.x) * length) / whole, y: from.y + ((to.y - from.y) * length) / whole }
}
