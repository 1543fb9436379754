import { memo, useEffect, useRef } from 'react'
import { formatClock } from '../../lib/dates'
import { Linked } from '../../ui/Linked'
import { LEVEL_FACES, splitMatches, type ShownLine } from './lines'
import classes from './Log.module.css'

interface Props {
  lines: ShownLine[]
  search: string
  /** The number of the line that the search stands at. */
  current: number | null
  wrap: boolean
  times: boolean
}

export function LogLines({ lines, search, current, wrap, times }: Props) {
  return (
    <div className={classes.lines} data-wrap={wrap || undefined} data-times={times || undefined}>
      {lines.map((line) => (
        <Line key={line.number} line={line} search={search} current={line.number === current} times={times} />
      ))}
    </div>
  )
}

const Line = memo(LineRow, (a, b) => {
  // The array is made anew as lines come; a line itself never changes.
  return (
    a.line.number === b.line.number &&
    a.line.text === b.line.text &&
    a.search === b.search &&
    a.current === b.current &&
    a.times === b.times
  )
})

function LineRow({ line, search, current, times }: { line: ShownLine; search: string; current: boolean; times: boolean }) {
  const row = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (current) row.current?.scrollIntoView({ block: 'center' })
  }, [current])
  const face = LEVEL_FACES[line.level]
  return (
    <div ref={row} className={classes.line} data-tone={line.stderr && line.level === 'info' ? 'blocked' : face.tone} data-level={line.level} data-current={current || undefined}>
      <span className={classes.number}>{line.number}</span>
      {times && (
        <span className={classes.time} title={line.timestamp ?? undefined}>
          {line.timestamp === null ? '' : formatClock(line.timestamp)}
        </span>
      )}
      <span className={classes.levelName}>{line.stderr && line.level === 'info' ? 'STDERR' : face.label}</span>
      <span className={classes.text} data-heading={line.heading || undefined}>
        {splitMatches(line.text, search).map((part, place) =>
          part.match ? <mark key={place}>{part.text}</mark> : <Linked key={place} text={part.text} />,
        )}
      </span>
    </div>
  )
}
