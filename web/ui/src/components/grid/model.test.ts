import { expect, test } from 'vitest'
import type { GridInstances } from '../../api/model'
import { BY_ID } from '../tasks/byId'
import { taskTree, treeRows } from '../tasks/tree'
import { gridColumn, gridTree, movedPlace } from './model'

const ROWS = treeRows(taskTree(['start', 'load.orders', 'load.items'], BY_ID), new Set())

function instance(task_id: string, state: GridInstances['state'], mapped = 0): GridInstances {
  return { task_id, state, count: Math.max(1, mapped), is_mapped: mapped > 0 } as GridInstances
}

test('a row of a group sums up its tasks, a row of a task is its instance', () => {
  const start = instance('start', 'success')
  const column = gridColumn(ROWS, [start, instance('load.orders', 'running'), instance('load.items', 'failed')])

  expect(column.map((cell) => cell?.summary.state)).toEqual(['success', 'failed', 'running', 'failed'])
  expect(column[0]?.instance).toBe(start)
  expect(column[1]?.instance).toBeNull()
})

test('a mapped task is summed up, however many instances it has', () => {
  const column = gridColumn(ROWS, [instance('load.items', 'success', 2), instance('load.items', 'failed', 1)])

  expect(column[3]).toMatchObject({ summary: { state: 'failed', total: 3 }, instance: null })
})

test('one instance of a mapped task is still a mapped task', () => {
  expect(gridColumn(ROWS, [instance('load.items', 'success', 1)])[3]).toMatchObject({ summary: { total: 1 }, instance: null })
})

test('a task that a run does not have has no cell', () => {
  expect(gridColumn(ROWS, [])).toEqual([null, null, null, null])
})

test('rows follow the run and its groups, and what the DAG no longer has comes last', () => {
  const task = (task_id: string, group_id: string | null, downstream: string[], is_removed = false) => ({ task_id, task_display_name: task_id === 'report' ? 'The report' : task_id, group_id, downstream_task_ids: downstream, is_mapped: false, is_removed })
  const tree = gridTree({
    tasks: [task('old', null, [], true), task('report', null, []), task('load.orders', 'load', ['report']), task('start', null, ['load.orders'])],
    groups: [{ group_id: 'load', group_display_name: 'Loading', parent_group_id: null, tooltip: null }],
  })

  expect(treeRows(tree, new Set()).map((row) => row.node.id)).toEqual(['start', 'load', 'load.orders', 'report', 'old'])
  expect(treeRows(tree, new Set()).map((row) => row.node.label)).toEqual(['start', 'Loading', 'orders', 'The report', 'old'])
})

test('two hundred tasks of fifty runs are summed up', () => {
  const ids = Array.from({ length: 200 }, (_, place) => `part_${place % 20}.step_${place}`)
  const rows = treeRows(taskTree(ids, BY_ID), new Set())
  const columns = Array.from({ length: 50 }, () => gridColumn(rows, ids.map((id) => instance(id, 'success'))))

  expect(columns.every((column) => column.length === 220 && column.every((cell) => cell?.summary.state === 'success'))).toBe(true)
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
