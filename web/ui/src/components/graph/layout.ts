import type { ELK, ElkExtendedEdge, ElkNode } from 'elkjs/lib/elk-api'
import { taskTree, type Grouping, type TaskTreeNode } from '../tasks/tree'

export interface GraphTask {
  id: string
  downstream: readonly string[]
}

export interface Point {
  x: number
  y: number
}

export interface LaidOutNode {
  /** Of the node, as edges name it. */
  id: string
  /** Of the task or the group. */
  of: string
  /** A box around its tasks, or a group that is folded to one node. */
  kind: 'task' | 'group' | 'folded'
  x: number
  y: number
  width: number
  height: number
}

export interface GraphLayout {
  width: number
  height: number
  /** A group stands before what is in it. */
  nodes: LaidOutNode[]
  /** The points of a line from the source's right edge to the target's left edge. */
  edges: { id: string; source: string; target: string; points: Point[] }[]
}

/** All tasks have one size, so that the layout does not depend on what is drawn in them. */
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

/** From here on the engine spends less on beauty: its effort grows faster than the DAG. */
const LARGE = 200

const LARGE_OPTIONS = {
  ...OPTIONS,
  'elk.edgeRouting': 'POLYLINE',
  'elk.layered.thoroughness': '1',
  'elk.layered.considerModelOrder.strategy': 'NONE',
}

/** Groups are laid out with what is in them, as one graph; every place is counted from the top left of the whole. */
const GROUPED = {
  'elk.hierarchyHandling': 'INCLUDE_CHILDREN',
  'org.eclipse.elk.json.shapeCoords': 'ROOT',
  'org.eclipse.elk.json.edgeCoords': 'ROOT',
}

const GROUP_OPTIONS = { 'elk.padding': '[top=38,left=14,bottom=14,right=14]' }

/**
 * What the layout engine is asked: the tasks in their order, in their groups, and every edge between two of them. A
 * group that is folded is one node, which has the edges of all its tasks.
 */
export function elkGraph(tasks: readonly GraphTask[], folded: ReadonlySet<string>, grouping: Grouping): ElkNode {
  const known = new Set(tasks.map((task) => task.id))
  const tree = taskTree(tasks.map((task) => task.id), grouping)
  const hasGroups = tree.some((node) => node.kind === 'group')
  const options = tasks.length > LARGE ? LARGE_OPTIONS : OPTIONS
  const edges = new Map<string, ElkExtendedEdge>()
  for (const task of tasks) {
    for (const target of task.downstream.filter((each) => known.has(each))) {
      const [from, to] = [shownAs(task.id, folded, grouping), shownAs(target, folded, grouping)]
      if (from !== to) edges.set(edgeId(from, to), { id: edgeId(from, to), sources: [from], targets: [to] })
    }
  }
  return {
    id: 'dag',
    layoutOptions: hasGroups ? { ...options, ...GROUPED } : options,
    children: tree.map((node) => elkNode(node, folded)),
    edges: [...edges.values()],
  }
}

function elkNode(node: TaskTreeNode, folded: ReadonlySet<string>): ElkNode {
  if (node.kind === 'task' || folded.has(node.id)) return { id: nodeId(node), ...NODE }
  return { id: nodeId(node), layoutOptions: GROUP_OPTIONS, children: node.children.map((child) => elkNode(child, folded)) }
}

const GROUP_PREFIX = 'group '

/** A task and a group may have one name, so that a group's node says that it is one. */
function nodeId(node: TaskTreeNode): string {
  return node.kind === 'group' ? GROUP_PREFIX + node.id : node.id
}

/** The node that stands for a task: itself, or the outermost folded group that it is in. */
function shownAs(taskId: string, folded: ReadonlySet<string>, { ofTask, around }: Grouping): string {
  let shown = taskId
  for (let group = ofTask(taskId); group !== ''; group = around(group)) if (folded.has(group)) shown = GROUP_PREFIX + group
  return shown
}

export function edgeId(source: string, target: string): string {
  return JSON.stringify([source, target])
}

/** Reads the engine's answer. */
export function readLayout(laidOut: ElkNode): GraphLayout {
  return {
    width: laidOut.width ?? 0,
    height: laidOut.height ?? 0,
    nodes: (laidOut.children ?? []).flatMap(readNode),
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

function readNode({ id, x = 0, y = 0, width = 0, height = 0, children = [] }: ElkNode): LaidOutNode[] {
  const isGroup = id.startsWith(GROUP_PREFIX)
  const kind = !isGroup ? 'task' : children.length > 0 ? 'group' : 'folded'
  return [{ id, of: isGroup ? id.slice(GROUP_PREFIX.length) : id, kind, x, y, width, height }, ...children.flatMap(readNode)]
}

/** Places tasks in layers from left to right. Equal input gives equal output. */
export async function layoutGraph(
  elk: ELK,
  tasks: readonly GraphTask[],
  folded: ReadonlySet<string>,
  grouping: Grouping,
): Promise<GraphLayout> {
  return readLayout(await elk.layout(elkGraph(tasks, folded, grouping)))
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
