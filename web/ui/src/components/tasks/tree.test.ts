import { expect, test } from 'vitest'
import { allGroups, taskTree, treeRows } from './tree'

const IDS = ['start', 'extract.orders', 'extract.check.totals', 'extract.customers', 'publish']

function lines(folded: string[]): string[] {
  return treeRows(taskTree(IDS), new Set(folded)).map(({ node, depth, taskIds }) => `${'  '.repeat(depth)}${node.label}${node.kind === 'group' ? ` (${taskIds.length})` : ''}`)
}

test('groups are read from dotted ids, and stand where their first task does', () => {
  expect(lines([])).toEqual(['start', 'extract (3)', '  orders', '  check (1)', '    totals', '  customers', 'publish'])
  expect(allGroups(taskTree(IDS))).toEqual(['extract', 'extract.check'])
})

test('a folded group hides what is in it, and counts it all the same', () => {
  expect(lines(['extract'])).toEqual(['start', 'extract (3)', 'publish'])
  expect(lines(['extract.check'])).toEqual(['start', 'extract (3)', '  orders', '  check (1)', '  customers', 'publish'])
})

test('no tasks, no tree', () => {
  expect(taskTree([])).toEqual([])
})
