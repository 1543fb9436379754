import { useElementSize } from '@mantine/hooks'
import { useEffect, useRef } from 'react'
import { formatCount } from '../../lib/numbers'
import { describe, type Drawing } from './chart'
import classes from './Chart.module.css'
import { plot } from './plot'

/** A chart of an answer, as wide as its place. */
export function ChartPanel({ drawing }: { drawing: Drawing }) {
  const { ref: place, width } = useElementSize()
  const sheet = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (width === 0) return
    sheet.current?.replaceChildren(plot(drawing, width))
  }, [drawing, width])
  const { chart, places, series, allPlaces, allSeries } = drawing
  return (
    <figure className={classes.chart}>
      {chart.title !== null && <figcaption className={classes.title}>{chart.title}</figcaption>}
      <div ref={place} className={classes.place}>
        <div ref={sheet} role="img" aria-label={describe(drawing)} />
      </div>
      <Rest kind="places" drawn={places.length} all={allPlaces} />
      <Rest kind="series" drawn={series.length} all={allSeries} />
    </figure>
  )
}

/** Says what there was no room for. */
function Rest({ kind, drawn, all }: { kind: string; drawn: number; all: number }) {
  if (drawn === all) return null
  return (
    <p className={classes.cut}>
      The first {formatCount(drawn)} of {formatCount(all)} {kind} are drawn; the table has all.
    </p>
  )
}
