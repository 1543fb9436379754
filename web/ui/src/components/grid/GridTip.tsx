import type { GridRun } from '../../api/model'
import { formatDateTime } from '../../lib/dates'
import { elapsedSeconds, formatDuration } from '../../lib/durations'
import { useNow } from '../../lib/useNow'
import { RUN_FACES, RUN_TYPES, TASK_FACES } from '../faces'
import { Reason } from '../Reason'
import type { TreeRow } from '../tasks/tree'
import classes from './Grid.module.css'
import type { GridColumn } from './model'

export interface TipAt {
  element: HTMLElement
  /** Zero is the row of the runs themselves. */
  row: number
  column: number
}

interface Props {
  at: TipAt
  rows: TreeRow[]
  runs: GridRun[]
  columns: GridColumn[]
  zone: string
}

const WIDTH = 340

/** The one tooltip of the grid, beside the cell that is pointed at or has the focus. */
export function GridTip({ at, rows, runs, columns, zone }: Props) {
  const now = useNow()
  const run = runs[at.column]
  if (run === undefined) return null
  const box = at.element.getBoundingClientRect()
  const left = Math.max(8, Math.min(box.left, window.innerWidth - WIDTH - 8))
  const below = box.bottom + 130 < window.innerHeight
  const when = formatDateTime(run.logical_date ?? run.run_after, { zone, showZone: true })
  return (
    <div className={classes.tip} role="tooltip" style={below ? { left, top: box.bottom + 6 } : { left, bottom: window.innerHeight - box.top + 6 }}>
      {at.row === 0 ? (
        <p>
          <b>{RUN_FACES[run.state].label}</b> · {RUN_TYPES[run.run_type].label}
          {lengthOf(run, now)}
        </p>
      ) : (
        <CellWords row={rows[at.row - 1]} cell={columns[at.column]?.[at.row - 1]} now={now} />
      )}
      <p>Run of {when}</p>
    </div>
  )
}

function CellWords({ row, cell, now }: { row: TreeRow | undefined; cell: GridColumn[number] | undefined; now: number }) {
  if (row === undefined || cell == null) return null
  const { summary, instance } = cell
  return (
    <>
      <p>
        <b>{row.node.id}</b>
      </p>
      {instance === null ? (
        <p>{summary.counts.map(([state, count]) => `${count} ${TASK_FACES[state].label.toLowerCase()}`).join(', ')}</p>
      ) : (
        <p>
          {TASK_FACES[summary.state].label}
          {instance.try_number > 0 && lengthOf(instance, now)}
          {instance.try_number > 1 && ` · try ${instance.try_number}`}
        </p>
      )}
      {instance?.error != null && <p>{instance.error}</p>}
      {instance?.reason != null && (
        <p>
          <Reason text={instance.reason} />
        </p>
      )}
    </>
  )
}

function lengthOf(timed: { start_date: string | null; end_date: string | null; duration?: number | null }, now: number): string {
  const seconds = timed.duration ?? elapsedSeconds(timed.start_date, timed.end_date, now)
  return seconds === null ? '' : ` · ${formatDuration(seconds)}`
}
