import ELK from 'elkjs/lib/elk.bundled.js'
import { expect, test } from 'vitest'
import { BY_ID } from '../tasks/byId'
import { groupingOf } from '../tasks/tree'
import { elkGraph, layoutGraph, NODE, roundedPath, type GraphTask } from './layout'

const CLEAN = ['clean_pin', 'clean_geo', 'clean_user']
const QUESTIONS = ['task4', 'task5', 'task6_part1', 'task6_part2', 'task7', 'task8', 'task9', 'task10', 'task11']

const PIPELINE: GraphTask[] = [
  { id: 'emulate', downstream: CLEAN },
  ...CLEAN.map((id) => ({ id, downstream: QUESTIONS })),
  ...QUESTIONS.map((id) => ({ id, downstream: ['report'] })),
  { id: 'report', downstream: [] },
]

const laidOut = (tasks: GraphTask[], folded = new Set<string>(), grouping = BY_ID) => layoutGraph(new ELK(), tasks, folded, grouping)

test('tasks stand in layers, from left to right', async () => {
  const { nodes } = await laidOut(PIPELINE)
  const x = (id: string) => nodes.find((node) => node.id === id)?.x ?? Number.NaN

  const layers = [['emulate'], CLEAN, QUESTIONS, ['report']].map((ids) => [...new Set(ids.map(x))])
  expect(layers.map((layer) => layer.length)).toEqual([1, 1, 1, 1])
  const places = layers.flat()
  expect(places).toEqual([...places].sort((a, b) => a - b))
})

test('no two tasks overlap', async () => {
  const { nodes } = await laidOut(PIPELINE)

  const pairs = nodes.flatMap((a, place) => nodes.slice(place + 1).map((b) => [a, b] as const))
  const overlapping = pairs.filter(
    ([a, b]) => Math.abs(a.x - b.x) < NODE.width && Math.abs(a.y - b.y) < NODE.height,
  )
  expect(overlapping).toEqual([])
})

test('an edge leaves its source on the right and enters its target on the left', async () => {
  const { nodes, edges } = await laidOut(PIPELINE)
  const place = new Map(nodes.map((node) => [node.id, node]))

  expect(edges).toHaveLength(3 + 27 + 9)
  for (const edge of edges) {
    const [start, end] = [edge.points[0], edge.points.at(-1)]
    expect(start?.x).toBe((place.get(edge.source)?.x ?? 0) + NODE.width)
    expect(end?.x).toBe(place.get(edge.target)?.x)
  }
})

test('a large DAG is laid out with less effort, and whole', async () => {
  const tasks = Array.from({ length: 300 }, (_, place) => ({ id: `t${place}`, downstream: [`t${place + 30}`, `t${place + 31}`] }))

  const { nodes, edges } = await laidOut(tasks)

  expect(nodes).toHaveLength(300)
  expect(edges).toHaveLength(270 + 269)
}, 60_000)

test('the same DAG is laid out the same way', async () => {
  expect(await laidOut(PIPELINE)).toEqual(await laidOut(PIPELINE))
})

test('an edge to a task that is not there is left out, and no task at all is a layout too', async () => {
  expect(elkGraph([{ id: 'a', downstream: ['gone'] }], new Set(), BY_ID).edges).toEqual([])
  expect(await laidOut([])).toMatchObject({ nodes: [], edges: [] })
})

const GROUPED: GraphTask[] = [
  { id: 'start', downstream: ['extract.orders', 'extract.items'] },
  { id: 'extract.orders', downstream: ['extract.check.keys'] },
  { id: 'extract.items', downstream: ['extract.check.keys'] },
  { id: 'extract.check.keys', downstream: ['publish'] },
  { id: 'publish', downstream: [] },
]

test('a group is a box around its tasks', async () => {
  const { nodes, edges } = await laidOut(GROUPED)
  const place = (id: string) => nodes.find((node) => node.of === id) ?? { x: 0, y: 0, width: 0, height: 0 }

  expect(nodes.map((node) => [node.of, node.kind])).toEqual([
    ['start', 'task'],
    ['extract', 'group'],
    ['extract.orders', 'task'],
    ['extract.items', 'task'],
    ['extract.check', 'group'],
    ['extract.check.keys', 'task'],
    ['publish', 'task'],
  ])
  for (const [inner, outer] of [['extract.orders', 'extract'], ['extract.check', 'extract'], ['extract.check.keys', 'extract.check']] as const) {
    const [a, b] = [place(inner), place(outer)]
    expect(a.x >= b.x && a.y >= b.y && a.x + a.width <= b.x + b.width && a.y + a.height <= b.y + b.height, `${inner} in ${outer}`).toBe(true)
  }
  const last = edges.find((edge) => edge.target === 'publish')?.points
  expect(last?.[0]?.x).toBe(place('extract.check.keys').x + NODE.width)
  expect(last?.at(-1)?.x).toBe(place('publish').x)
})

test('a folded group is one node with the edges of all its tasks', async () => {
  const { nodes, edges } = await laidOut(GROUPED, new Set(['extract']))

  expect(nodes.map((node) => [node.of, node.kind])).toEqual([['start', 'task'], ['extract', 'folded'], ['publish', 'task']])
  expect(edges.map(({ source, target }) => [source, target])).toEqual([['start', 'group extract'], ['group extract', 'publish']])
})

test('a group holds the tasks that the DAG says, whatever their ids are', async () => {
  const grouping = groupingOf([{ task_id: 'orders', task_group_id: 'load' }, { task_id: 'a.b', task_group_id: null }], [{ group_id: 'load', parent_group_id: null, group_display_name: null }])
  const tasks = [{ id: 'orders', downstream: ['a.b'] }, { id: 'a.b', downstream: [] }]

  const { nodes } = await laidOut(tasks, new Set(), grouping)
  const folded = await laidOut(tasks, new Set(['load']), grouping)

  expect(nodes.map((node) => [node.of, node.kind])).toEqual([['load', 'group'], ['orders', 'task'], ['a.b', 'task']])
  expect(folded.edges.map(({ source, target }) => [source, target])).toEqual([['group load', 'a.b']])
})

test('corners are rounded, by less than their sides are long', () => {
  expect(roundedPath([])).toBe('')
  expect(roundedPath([{ x: 0, y: 0 }, { x: 50, y: 0 }])).toBe('M0 0 L50 0')
  expect(roundedPath([{ x: 0, y: 0 }, { x: 50, y: 0 }, { x: 50, y: 40 }])).toBe('M0 0 L40 0 Q50 0 50 10 L50 40')
  expect(roundedPath([{ x: 0, y: 0 }, { x: 8, y: 0 }, { x: 8, y: 40 }])).toBe('M0 0 L4 0 Q8 0 8 4 L8 40')
})
