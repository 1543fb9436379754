import { expect, test } from 'vitest'
import { BY_ID } from './byId'
import { allGroups, groupingOf, taskTree, treeRows } from './tree'

const IDS = ['start', 'extract.orders', 'extract.check.totals', 'extract.customers', 'publish']

function lines(folded: string[]): string[] {
  return treeRows(taskTree(IDS, BY_ID), new Set(folded)).map(({ node, depth, taskIds }) => `${'  '.repeat(depth)}${node.label}${node.kind === 'group' ? ` (${taskIds.length})` : ''}`)
}

test('groups are read from dotted ids, and stand where their first task does', () => {
  expect(lines([])).toEqual(['start', 'extract (3)', '  orders', '  check (1)', '    totals', '  customers', 'publish'])
  expect(allGroups(taskTree(IDS, BY_ID))).toEqual(['extract', 'extract.check'])
})

test('a folded group hides what is in it, and counts it all the same', () => {
  expect(lines(['extract'])).toEqual(['start', 'extract (3)', 'publish'])
  expect(lines(['extract.check'])).toEqual(['start', 'extract (3)', '  orders', '  check (1)', '  customers', 'publish'])
})

test('groups whose ids are not in those of their tasks', () => {
  const within: Record<string, string> = { orders: 'load', 'load.items': 'load', totals: 'check' }
  const around: Record<string, string> = { check: 'load' }
  const grouping = { ofTask: (id: string) => within[id] ?? '', around: (group: string) => around[group] ?? '', shown: new Map<string, string>() }
  const rows = treeRows(taskTree(['orders', 'load.items', 'totals', 'a.b'], grouping), new Set())

  expect(rows.map(({ node, depth }) => [depth, node.label])).toEqual([[0, 'load'], [1, 'orders'], [1, 'items'], [1, 'check'], [2, 'totals'], [0, 'a.b']])
})

test('groups of the DAG, whatever ids say, by their second names', () => {
  const tasks = [
    { task_id: 'orders', task_group_id: 'load' },
    { task_id: 'load.check.totals', task_group_id: 'load.check' },
    { task_id: 'a.b', task_group_id: null },
  ]
  const groups = [
    { group_id: 'load', parent_group_id: null, group_display_name: 'Into the warehouse' },
    { group_id: 'load.check', parent_group_id: 'load', group_display_name: null },
  ]
  const rows = treeRows(taskTree(tasks.map((task) => task.task_id), groupingOf(tasks, groups)), new Set())

  expect(rows.map(({ node, depth }) => [depth, node.label])).toEqual([[0, 'Into the warehouse'], [1, 'orders'], [1, 'check'], [2, 'totals'], [0, 'a.b']])
})

test('no tasks, no tree', () => {
  expect(taskTree([], BY_ID)).toEqual([])
})
