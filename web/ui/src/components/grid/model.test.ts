import { expect, test } from 'vitest'
import type { TaskInstance } from '../../api/model'
import { taskTree, treeRows } from '../tasks/tree'
import { gridColumn, movedPlace } from './model'

const ROWS = treeRows(taskTree(['start', 'load.orders', 'load.items']), new Set())

function instance(task_id: string, state: TaskInstance['state'], map_index = -1): TaskInstance {
  return { task_id, state, map_index } as TaskInstance
}

test('a row of a group sums up its tasks, a row of a task is its instance', () => {
  const start = instance('start', 'success')
  const column = gridColumn(ROWS, [start, instance('load.orders', 'running'), instance('load.items', 'failed')])

  expect(column?.map((cell) => cell?.summary.state)).toEqual(['success', 'failed', 'running', 'failed'])
  expect(column?.[0]?.instance).toBe(start)
  expect(column?.[1]?.instance).toBeNull()
})

test('a mapped task is summed up, however many instances it has', () => {
  const column = gridColumn(ROWS, [0, 1, 2].map((place) => instance('load.items', place === 1 ? 'failed' : 'success', place)))

  expect(column?.[3]).toMatchObject({ summary: { state: 'failed', total: 3 }, instance: null })
})

test('a task that a run does not have has no cell, and a run that is not known has no column', () => {
  expect(gridColumn(ROWS, [])).toEqual([null, null, null, null])
  expect(gridColumn(ROWS, undefined)).toBeUndefined()
})

test('two hundred tasks of fifty runs are summed up', () => {
  const ids = Array.from({ length: 200 }, (_, place) => `part_${place % 20}.step_${place}`)
  const rows = treeRows(taskTree(ids), new Set())
  const columns = Array.from({ length: 50 }, () => gridColumn(rows, ids.map((id) => instance(id, 'success'))))

  expect(columns.every((column) => column?.length === 220 && column.every((cell) => cell?.summary.state === 'success'))).toBe(true)
})

test.each([
  ['ArrowUp', { row: 0, column: 1 }],
  ['ArrowDown', { row: 1, column: 1 }],
  ['ArrowLeft', { row: 0, column: 0 }],
  ['ArrowRight', { row: 0, column: 2 }],
  ['Home', { row: 0, column: 0 }],
  ['End', { row: 0, column: 2 }],
  ['PageDown', { row: 3, column: 1 }],
  ['a', null],
])('%s moves within the grid', (key, place) => {
  expect(movedPlace({ row: 0, column: 1 }, key, 4, 3)).toEqual(place)
})
