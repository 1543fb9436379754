import { expect, test } from 'vitest'
import { asCleanReport, asEmulationReport, asQueryAnswer, barScale, isNumeric, sortRows } from './shapes'

test('the answer of a query is known by its columns and rows', () => {
  const value = { columns: ['country', 'n'], rows: [['Chad', 3]], row_count: 1200, output: '/lake/task4.csv' }

  expect(asQueryAnswer(value)).toEqual({
    columns: ['country', 'n'],
    rows: [['Chad', 3]],
    rowCount: 1200,
    output: '/lake/task4.csv',
    charts: [],
    expectations: [],
  })
  expect(asQueryAnswer({ columns: ['a'], rows: [] })).toMatchObject({ rowCount: 0, output: null })
  for (const other of [null, 3, [], {}, { columns: ['a'] }, { columns: ['a'], rows: [1] }]) {
    expect(asQueryAnswer(other)).toBeNull()
  }
})

test('an answer brings its charts and what was expected of it', () => {
  const value = {
    columns: ['a'],
    rows: [[1]],
    chart: [{ kind: 'bar', x: 'a', y: ['a'] }],
    expectations: [{ name: 'not_null a', action: 'warn', failed_rows: 2 }, { name: 'odd' }],
  }

  expect(asQueryAnswer(value)).toMatchObject({
    charts: [{ kind: 'bar', x: 'a', y: ['a'] }],
    expectations: [{ name: 'not_null a', action: 'warn', failed: 2 }],
  })
})

test('the report of a clean task is known by its counts', () => {
  const value = {
    rows_read: 10,
    rows_written: 7,
    rows_rejected: 1,
    duplicates: 2,
    changed: { 'null markers': 4 },
    expectations: [{ name: 'unique id', action: 'drop', failed_rows: 1 }],
    output: '/lake/pin',
  }

  expect(asCleanReport(value)).toEqual({
    read: 10,
    written: 7,
    rejected: 1,
    duplicates: 2,
    expectations: [{ name: 'unique id', action: 'drop', failed: 1 }],
    changed: [['null markers', 4]],
    others: [['output', '/lake/pin']],
  })
  expect(asCleanReport({ rows_read: 10 })).toBeNull()
})

test('the report of an emulation is known by its three tables', () => {
  const value = { pin: { rows: 3, objects: 3, broken: 0 }, geo: { rows: 2, objects: 2, broken: 0 }, user: { rows: 1, maybe_twice: 1 }, location: 'lake' }

  expect(asEmulationReport(value)).toEqual({
    tables: [
      ['pin', { rows: 3, objects: 3, broken: 0 }],
      ['geo', { rows: 2, objects: 2, broken: 0 }],
      ['user', { rows: 1, maybe_twice: 1 }],
    ],
    counts: ['objects', 'broken', 'maybe_twice'],
    location: 'lake',
  })
  expect(asEmulationReport({ pin: { rows: 3 } })).toBeNull()
})

test('rows sort by size or by text, and nulls stay last', () => {
  const rows = [['b10', 2], [null, 10], ['b9', null]]

  expect(sortRows(rows, null)).toBe(rows)
  expect(sortRows(rows, { column: 0, descending: false })).toEqual([['b9', null], ['b10', 2], [null, 10]])
  expect(sortRows(rows, { column: 1, descending: false })).toEqual([['b10', 2], [null, 10], ['b9', null]])
  expect(sortRows(rows, { column: 1, descending: true })).toEqual([[null, 10], ['b10', 2], ['b9', null]])
})

test.each([
  ['amounts', [[1], [50], [null]], 50],
  ['years', [[2018], [2022]], null],
  ['negative numbers', [[-1], [5]], null],
  ['texts', [['a'], ['b']], null],
  ['one row', [[5]], null],
])('%s get bars up to %j → %j', (_, rows, scale) => {
  expect(barScale(rows, 0)).toBe(scale)
})

test('a column of nulls is no column of numbers', () => {
  expect(isNumeric([[null], [null]], 0)).toBe(false)
  expect(isNumeric([[null], [1]], 0)).toBe(true)
})
