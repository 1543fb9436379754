import { expect, test } from 'vitest'
import { asCharts, describe, drawing, liesDown, type Chart } from './chart'

const BAR: Chart = { kind: 'bar', x: 'category', y: ['n'], series: null, title: null, stacked: false }

test('a chart is known by its kind and columns, alone or in a list', () => {
  expect(asCharts({ kind: 'bar', x: 'category', y: 'n' })).toEqual([BAR])
  expect(asCharts([{ kind: 'line', x: 'year', y: ['a', 'b'], series: 's', title: 'T', stacked: true }])).toEqual([
    { kind: 'line', x: 'year', y: ['a', 'b'], series: 's', title: 'T', stacked: true },
  ])
  for (const other of [undefined, null, 'bar', {}, { kind: 'pie', x: 'a', y: 'b' }, { kind: 'bar', x: 'a' }, []]) {
    expect(asCharts(other)).toEqual([])
  }
})

test('bars keep the order of the answer, and a null has a place', () => {
  const drawn = drawing(BAR, { columns: ['category', 'n'], rows: [['travel', 3], [null, 9], ['art', 1], ['quotes', null]] })

  expect(drawn?.places).toEqual(['travel', 'null', 'art'])
  expect(drawn?.points).toEqual([
    { x: 'travel', y: 3, series: 'n' },
    { x: 'null', y: 9, series: 'n' },
    { x: 'art', y: 1, series: 'n' },
  ])
})

test('bars stand on each other in one order, whatever that of the answer is', () => {
  const rows = [[2021, 'art', 3], [2021, 'travel', 2], [2020, 'travel', 9], [2020, 'quotes', 5], [2020, 'art', 1]]
  const drawn = drawing({ ...BAR, x: 'year', series: 'kind', stacked: true }, { columns: ['year', 'kind', 'n'], rows })
  const standing = (year: string) => drawn?.points.filter((point) => point.x === year).map((point) => point.series)

  expect(drawn?.places).toEqual(['2021', '2020'])
  expect(standing('2021')).toEqual(['art', 'travel'])
  expect(standing('2020')).toEqual(['art', 'travel', 'quotes'])
})

test('years along bars are names, and along lines numbers in their order', () => {
  const answer = { columns: ['year', 'n'], rows: [[2022, 1], [2020, 2]] }

  expect(drawing({ ...BAR, x: 'year' }, answer)?.places).toEqual(['2022', '2020'])
  expect(drawing({ ...BAR, kind: 'line', x: 'year' }, answer)?.points.map((point) => point.x)).toEqual([2020, 2022])
})

test('dates along lines are dates, in UTC', () => {
  const answer = { columns: ['day', 'n'], rows: [['2022-01-02', 1], ['2022-01-01 12:00:00', 2]] }

  expect(drawing({ ...BAR, kind: 'line', x: 'day' }, answer)?.points.map((point) => (point.x as Date).toISOString())).toEqual([
    '2022-01-01T12:00:00.000Z',
    '2022-01-02T00:00:00.000Z',
  ])
})

test('a column of series, several measured columns, or both', () => {
  const answer = { columns: ['x', 'age', 'a', 'b'], rows: [['p', '18-24', 1, 2], ['p', null, 3, 4]] }
  const series = (chart: Partial<Chart>) => drawing({ ...BAR, x: 'x', ...chart }, answer)?.series

  expect(series({ y: ['a'], series: 'age' })).toEqual(['18-24', 'null'])
  expect(series({ y: ['a', 'b'] })).toEqual(['a', 'b'])
  expect(series({ y: ['a', 'b'], series: 'age' })).toEqual(['18-24 · a', '18-24 · b', 'null · a', 'null · b'])
})

test('decimal numbers with many digits are as high as others', () => {
  const rows = [['art', '10.333333333333333333'], ['travel', 2], ['quotes', 'NaN'], ['vehicles', '']]
  const drawn = drawing(BAR, { columns: ['category', 'n'], rows })

  expect(drawn?.points.map((point) => [point.x, point.y])).toEqual([['art', 31 / 3], ['travel', 2]])
})

test('of very many bars the first are drawn', () => {
  const rows = Array.from({ length: 200 }, (_, place) => [`country ${place}`, place])
  const drawn = drawing(BAR, { columns: ['category', 'n'], rows })

  expect(drawn?.places).toHaveLength(60)
  expect(drawn?.points).toHaveLength(60)
  expect(drawn?.allPlaces).toBe(200)
})

test('nothing is drawn of a column that is not there, or has no number', () => {
  const answer = { columns: ['category', 'n'], rows: [['art', 'many']] }

  expect(drawing({ ...BAR, x: 'kind' }, answer)).toBeNull()
  expect(drawing({ ...BAR, y: ['m'] }, answer)).toBeNull()
  expect(drawing({ ...BAR, series: 's' }, answer)).toBeNull()
  expect(drawing(BAR, answer)).toBeNull()
})

test('bars lie down when their names are long, and the picture has words', () => {
  const few = drawing(BAR, { columns: ['category', 'n'], rows: [['art', 1], ['travel', 2]] })
  const long = drawing(BAR, { columns: ['category', 'n'], rows: ['a', 'b', 'c', 'd'].map((name) => [name.repeat(30), 1]) })

  expect(few !== null && liesDown(few)).toBe(false)
  expect(long !== null && liesDown(long)).toBe(true)
  expect(few !== null && describe(few)).toBe('Bar chart: n by category; 2 places')
})
