import { memo, type CSSProperties } from 'react'
import type { GridRun, TaskState } from '../../api/model'
import { formatDateTime } from '../../lib/dates'
import { formatDuration } from '../../lib/durations'
import { hrefs } from '../../paths'
import { Icon, type IconName } from '../../ui/Icon'
import { iconMask } from '../../ui/iconMask'
import { RUN_FACES, TASK_FACES } from '../faces'
import type { TreeRow } from '../tasks/tree'
import classes from './Grid.module.css'
import type { GridCell, GridColumn } from './model'

interface Props {
  dagId: string
  rows: TreeRow[]
  runs: GridRun[]
  columns: GridColumn[]
  folded: ReadonlySet<string>
  onFold: (groupId: string) => void
  zone: string
}

/** What is drawn of the grid; it stays as it is while the pointer wanders over it. */
export const GridBody = memo(function GridBody({ dagId, rows, runs, columns, folded, onFold, zone }: Props) {
  const longest = Math.max(0.001, ...runs.map((run) => run.duration ?? 0))
  const days = dayMarks(runs, zone)
  return (
    <>
      <thead>
        <tr>
          <th className={classes.corner} scope="col">
            <span className={classes.cornerWords}>
              <span>Task</span>
              <span>longest run {formatDuration(longest)}</span>
            </span>
          </th>
          {runs.map((run, column) => (
            <th key={run.dag_run_id} scope="col" className={classes.head}>
              {days[column] !== null && <span className={classes.day}>{days[column]}</span>}
              <RunHead dagId={dagId} run={run} column={column} share={(run.duration ?? 0) / longest} zone={zone} />
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row, place) => (
          <tr key={row.node.id}>
            <RowHead row={row} folded={folded.has(row.node.id)} onFold={onFold} />
            {runs.map((run, column) => (
              <CellOf key={run.dag_run_id} cell={columns[column]?.[place] ?? null} dagId={dagId} row={row} run={run} place={place + 1} column={column} />
            ))}
          </tr>
        ))}
      </tbody>
    </>
  )
})

function RunHead({ dagId, run, column, share, zone }: { dagId: string; run: GridRun; column: number; share: number; zone: string }) {
  const face = RUN_FACES[run.state]
  return (
    <a
      href={hrefs.run(dagId, run.dag_run_id)}
      tabIndex={-1}
      data-row={0}
      data-column={column}
      className={classes.run}
      data-tone={face.tone}
      data-state={run.state}
      style={faceStyle(face.icon)}
      aria-label={`Run of ${formatDateTime(run.logical_date ?? run.run_after, { zone, showZone: true })}, ${face.label}`}
    >
      <span className={classes.bar} style={{ height: `${Math.round(8 + 92 * share)}%` }} />
    </a>
  )
}

function RowHead({ row, folded, onFold }: { row: TreeRow; folded: boolean; onFold: (groupId: string) => void }) {
  const { node, depth } = row
  return (
    <th scope="row" style={{ paddingLeft: 16 + depth * 16 }} title={node.id}>
      {node.kind === 'group' ? (
        <button type="button" className={classes.fold} aria-expanded={!folded} onClick={() => onFold(node.id)}>
          <Icon name={folded ? 'chevronRight' : 'chevronDown'} size={13} />
          {node.label} <span className={classes.size}>{row.taskIds.length}</span>
        </button>
      ) : (
        <span className={classes.label}>{node.label}</span>
      )}
    </th>
  )
}

interface CellProps {
  cell: GridCell | null
  dagId: string
  row: TreeRow
  run: GridRun
  place: number
  column: number
}

function CellOf({ cell, dagId, row, run, place, column }: CellProps) {
  if (cell === null) return <td role="gridcell" className={classes.place} />
  const isTask = row.node.kind === 'task'
  const href = isTask ? hrefs.task(dagId, run.dag_run_id, row.node.id) : hrefs.run(dagId, run.dag_run_id)
  return <Cell state={cell.summary.state} name={row.node.id} total={cell.summary.total} href={href} place={place} column={column} />
}

interface DrawnCell {
  state: TaskState
  name: string
  total: number
  href: string
  place: number
  column: number
}

const Cell = memo(function Cell({ state, name, total, href, place, column }: DrawnCell) {
  return (
    <td role="gridcell" className={classes.place}>
      <a
        href={href}
        tabIndex={-1}
        data-row={place}
        data-column={column}
        data-state={state}
        data-tone={TASK_FACES[state].tone}
        data-many={total > 1 || undefined}
        className={classes.cell}
        style={faceStyle(TASK_FACES[state].icon)}
        aria-label={`${name}, ${TASK_FACES[state].label}${total > 1 ? `, ${total} task instances` : ''}`}
      />
    </td>
  )
})

const STYLES = new Map<IconName, CSSProperties>()

/** One object per picture, so that cells that do not change are not drawn anew. */
function faceStyle(icon: IconName): CSSProperties {
  const known = STYLES.get(icon)
  if (known !== undefined) return known
  const style = { '--face': iconMask(icon) } as CSSProperties
  STYLES.set(icon, style)
  return style
}

const MARK_GAP = 4

/** The day above the first run of it, where there is room for the words. */
function dayMarks(runs: GridRun[], zone: string): (string | null)[] {
  let last = ''
  let lastAt = -MARK_GAP
  return runs.map((run, place) => {
    const day = formatDateTime(run.logical_date ?? run.run_after, { zone }).split(',')[0]?.replace(/ \d{4}$/, '') ?? ''
    if (day === last || place - lastAt < MARK_GAP || place > runs.length - 3) return null
    last = day
    lastAt = place
    return day
  })
}

/** What the pictures in the cells mean, for the states that occur. */
export function GridLegend({ columns }: { columns: GridColumn[] }) {
  const found = new Set(columns.flatMap((column) => column.flatMap((cell) => (cell === null ? [] : [cell.summary.state]))))
  const states = (Object.keys(TASK_FACES) as TaskState[]).filter((state) => found.has(state))
  return (
    <ul className={classes.legend} aria-label="Legend">
      {states.map((state) => (
        <li key={state}>
          <span className={classes.cell} data-state={state} data-tone={TASK_FACES[state].tone} style={faceStyle(TASK_FACES[state].icon)} />
          {TASK_FACES[state].label}
        </li>
      ))}
    </ul>
  )
}

