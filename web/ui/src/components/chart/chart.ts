import type { QueryAnswer } from '../result/shapes'

/** A chart as a `query` task asks for it. */
export interface Chart {
  kind: 'bar' | 'line'
  /** The column along the axis. */
  x: string
  /** The columns that are measured. */
  y: string[]
  /** The column whose values are drawn as series of their own. */
  series: string | null
  title: string | null
  /** Bars of one place stand on each other. */
  stacked: boolean
}

/** One bar, or one place of a line. */
export interface Point {
  x: number | string | Date
  y: number
  series: string
}

/** A chart with what it draws. */
export interface Drawing {
  chart: Chart
  points: Point[]
  /** Places along the axis, in the order of the answer. */
  places: (number | string | Date)[]
  series: string[]
  /** How many places there are in the answer; more than are drawn when there is no room for all. */
  allPlaces: number
  /** The same of series. */
  allSeries: number
}

/** More bars than these nobody can tell apart. */
const MOST_BARS = 60
/** More colours nobody can tell apart; the rest is left to the table. */
const MOST_SERIES = 14

const NULL = 'null'

/** The charts that an answer comes with; whatever does not look like one is left out. */
export function asCharts(value: unknown): Chart[] {
  const list = Array.isArray(value) ? value : [value]
  return list.flatMap((each: unknown) => {
    if (typeof each !== 'object' || each === null) return []
    const { kind, x, y, series, title, stacked } = each as Record<string, unknown>
    const measured = (Array.isArray(y) ? y : [y]).filter((name) => typeof name === 'string')
    if ((kind !== 'bar' && kind !== 'line') || typeof x !== 'string' || measured.length === 0) return []
    return [{
      kind,
      x,
      y: measured,
      series: typeof series === 'string' ? series : null,
      title: typeof title === 'string' ? title : null,
      stacked: stacked === true,
    }]
  })
}

/** What a chart draws of the rows of an answer; null when a column of it is missing or nothing is a number. */
export function drawing(chart: Chart, answer: Pick<QueryAnswer, 'columns' | 'rows'>): Drawing | null {
  const x = answer.columns.indexOf(chart.x)
  const measured = chart.y.map((name) => ({ name, column: answer.columns.indexOf(name) }))
  const by = chart.series === null ? null : answer.columns.indexOf(chart.series)
  if (x < 0 || by === -1 || measured.some(({ column }) => column < 0)) return null

  const read = placeReader(answer.rows.map((row) => row[x] ?? null), chart.kind)
  const all = answer.rows.flatMap((row) =>
    measured.flatMap(({ name, column }) => {
      const y = height(row[column])
      if (y === null) return []
      return [{ x: read(row[x] ?? null), y, series: by === null ? name : seriesName(row[by] ?? null, name, measured.length > 1) }]
    }),
  )
  if (all.length === 0) return null
  const everyPlace = unique(all.map((point) => point.x))
  const places = chart.kind === 'bar' ? everyPlace.slice(0, MOST_BARS) : everyPlace
  const everySeries = unique(all.map((point) => point.series))
  const series = everySeries.slice(0, MOST_SERIES)
  const kept = new Set(places.map(identity))
  const points = all.filter((point) => kept.has(identity(point.x)) && series.includes(point.series))
  const [allPlaces, allSeries] = [everyPlace.length, everySeries.length]
  return { chart, points: sorted(points, chart, series), places, series, allPlaces, allSeries }
}

/** What a screen reader says instead of the picture. */
export function describe({ chart, places, series }: Drawing): string {
  const kind = chart.kind === 'bar' ? 'Bar chart' : 'Line chart'
  const parts = [`${kind}: ${chart.y.join(' and ')} by ${chart.x}`, `${places.length} places`]
  if (series.length > 1) parts.push(`${series.length} series: ${series.join(', ')}`)
  return parts.join('; ')
}

/** Bars lie down when their names are long or many. */
export function liesDown({ chart, places }: Drawing): boolean {
  if (chart.kind !== 'bar') return false
  const names = places.map(String)
  return names.length > 16 || names.reduce((letters, name) => letters + name.length + 2, 0) > 110
}

/** How high a value is. Decimal numbers with more digits than a number holds come as texts. */
function height(value: unknown): number | null {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) ? number : null
}

/** Texts stay texts along bars. Along lines, dates are placed by their distance, and so are numbers. */
function placeReader(values: unknown[], kind: Chart['kind']): (value: unknown) => Point['x'] {
  const given = values.filter((value) => value !== null)
  if (kind === 'line' && given.length > 0 && given.every(isDate)) return (value) => (isDate(value) ? asDate(value) : NULL)
  if (kind === 'line' && given.every((value) => typeof value === 'number')) return (value) => (typeof value === 'number' ? value : NULL)
  return (value) => (typeof value === 'string' ? value : value === null ? NULL : JSON.stringify(value))
}

const DATE = /^\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?$/

function isDate(value: unknown): value is string {
  return typeof value === 'string' && DATE.test(value)
}

/** Times in answers are in UTC. */
function asDate(text: string): Date {
  return new Date(text.length === 10 ? text : `${text.replace(' ', 'T')}Z`)
}

function seriesName(value: unknown, measured: string, severalMeasured: boolean): string {
  const name = value === null ? NULL : typeof value === 'string' ? value : JSON.stringify(value)
  return severalMeasured ? `${name} · ${measured}` : name
}

/** Lines go along their axis. Bars stand on each other in the order of the legend, at each place: else no series is found again. */
function sorted(points: Point[], chart: Chart, series: string[]): Point[] {
  if (chart.kind === 'line') return inOrder(points)
  const nth = new Map(series.map((name, place) => [name, place]))
  return chart.stacked ? [...points].sort((a, b) => (nth.get(a.series) ?? 0) - (nth.get(b.series) ?? 0)) : points
}

function inOrder(points: Point[]): Point[] {
  if (points.some((point) => typeof point.x === 'string')) return points
  return [...points].sort((a, b) => Number(a.x) - Number(b.x))
}

function identity(x: Point['x']): string | number {
  return x instanceof Date ? x.getTime() : x
}

function unique<T extends Point['x']>(values: T[]): T[] {
  return [...new Map(values.map((value) => [identity(value), value])).values()]
}
