import * as Plot from '@observablehq/plot'
import { liesDown, type Drawing } from './chart'

/** The hues of series, in the order in which they are given out: neighbours differ in both schemes. */
const HUES = [
  'parked', 'wait', 'notice', 'active', 'blocked', 'good', 'quiet',
  'bad', 'parked-text', 'wait-text', 'notice-text', 'active-text', 'blocked-text', 'good-text',
]

const HEIGHT = 320
const BAR_HEIGHT = 22
const GROUPED_BAR_HEIGHT = 14
const LETTER_WIDTH = 6.4
const TIP = { fill: 'var(--surface)', stroke: 'var(--line-strong)', textPadding: 10 }

/** Draws a chart as SVG, so many pixels wide. */
export function plot(drawing: Drawing, width: number): SVGSVGElement | HTMLElement {
  const { chart, series } = drawing
  const shape = chart.kind === 'line' ? lines(drawing) : liesDown(drawing) ? lyingBars(drawing) : standingBars(drawing)
  return Plot.plot({
    width,
    style: { background: 'transparent', color: 'var(--ink-2)', fontFamily: 'var(--sans)', fontSize: '12px', overflow: 'visible' },
    color: { domain: series, range: HUES.slice(0, series.length).map((hue) => `var(--${hue})`), legend: series.length > 1 },
    ...shape,
  })
}

function lines({ chart, points, places }: Drawing): Plot.PlotOptions {
  const areTexts = places.some((place) => typeof place === 'string')
  return {
    height: HEIGHT,
    marginLeft: 64,
    marginBottom: 44,
    x: { label: chart.x, ...(areTexts ? { domain: places } : axisOf(places)) },
    y: { label: chart.y.join(', '), grid: true, zero: true, tickFormat: compact },
    marks: [
      Plot.ruleY([0], { stroke: 'var(--line-strong)' }),
      Plot.lineY(points, { x: 'x', y: 'y', z: 'series', stroke: 'series', strokeWidth: 2, tip: TIP }),
      ...(places.length > 100 ? [] : [Plot.dot(points, { x: 'x', y: 'y', fill: 'series', r: 2.5 })]),
    ],
  }
}

function standingBars({ chart, points, places, series }: Drawing): Plot.PlotOptions {
  const axis = { label: chart.x, domain: places, padding: 0.2 }
  const bars = { y: 'y', fill: 'series', insetLeft: 1, insetRight: 1, tip: TIP }
  return {
    height: HEIGHT,
    marginLeft: 64,
    marginBottom: 44,
    y: { label: chart.y.join(', '), grid: true, tickFormat: compact },
    ...(isGrouped(chart.stacked, series) ? { fx: axis, x: { axis: null, domain: series } } : { x: axis }),
    marks: [
      Plot.barY(points, isGrouped(chart.stacked, series) ? { ...bars, fx: 'x', x: 'series' } : { ...bars, x: 'x' }),
      Plot.ruleY([0], { stroke: 'var(--line-strong)' }),
    ],
  }
}

function lyingBars({ chart, points, places, series }: Drawing): Plot.PlotOptions {
  const grouped = isGrouped(chart.stacked, series)
  const axis = { label: null, domain: places, padding: 0.15, tickFormat: shortened }
  const bars = { x: 'y', fill: 'series', insetTop: 1, insetBottom: 1, tip: TIP }
  const longest = Math.max(...places.map((place) => shortened(place).length))
  return {
    height: places.length * (grouped ? series.length * GROUPED_BAR_HEIGHT + 6 : BAR_HEIGHT) + 48,
    marginLeft: 20 + longest * LETTER_WIDTH,
    marginTop: 40,
    marginBottom: 8,
    x: { label: chart.y.join(', '), grid: true, axis: 'top', tickFormat: compact },
    ...(grouped ? { fy: { ...axis, axis: 'left' }, y: { axis: null, domain: series } } : { y: axis }),
    marks: [
      Plot.barX(points, grouped ? { ...bars, fy: 'x', y: 'series' } : { ...bars, y: 'x' }),
      Plot.ruleX([0], { stroke: 'var(--line-strong)' }),
    ],
  }
}

function isGrouped(stacked: boolean, series: string[]): boolean {
  return series.length > 1 && !stacked
}

/** Years are not 2,019, and there is none between two of them. */
function axisOf(places: unknown[]): Plot.ScaleOptions {
  const areWhole = places.every((place) => Number.isInteger(place))
  return areWhole ? { tickFormat: 'd', ...(places.length <= 12 ? { ticks: places } : {}) } : {}
}

const COMPACT = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 })

function compact(value: unknown): string {
  return typeof value === 'number' ? COMPACT.format(value) : String(value)
}

function shortened(name: unknown): string {
  const text = String(name)
  return text.length > 36 ? `${text.slice(0, 35)}…` : text
}
