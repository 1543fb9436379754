import { useRouter } from '@tanstack/react-router'
import { useEffect, useMemo, useRef, useState, type FocusEvent, type KeyboardEvent, type MouseEvent } from 'react'
import type { GridRun } from '../../api/model'
import type { TreeRow } from '../tasks/tree'
import classes from './Grid.module.css'
import { GridBody } from './GridBody'
import { GridTip, type TipAt } from './GridTip'
import { gridColumn, movedPlace, type GridColumn } from './model'

interface Props {
  dagId: string
  rows: TreeRow[]
  /** Oldest first. */
  runs: GridRun[]
  folded: ReadonlySet<string>
  onFold: (groupId: string) => void
  zone: string
}

/**
 * Runs as columns, tasks as rows. One cell is in the tab order and arrow keys go on from there, as in a spreadsheet;
 * one tooltip and one click handler serve all cells, so that ten thousand of them stay cheap.
 */
export function Grid({ dagId, rows, runs, folded, onFold, zone }: Props) {
  const table = useRef<HTMLTableElement>(null)
  const router = useRouter()
  const [tip, setTip] = useState<TipAt | null>(null)
  const columns = useMemo(() => runs.map((run): GridColumn => gridColumn(rows, run.task_instances)), [rows, runs])

  useEffect(() => {
    // The newest run is on the right, and what a person looks for first.
    const frame = table.current?.parentElement
    if (frame != null) frame.scrollLeft = frame.scrollWidth
  }, [runs.length])

  useEffect(() => {
    const newest = table.current?.querySelector<HTMLElement>(`[data-row="0"][data-column="${runs.length - 1}"]`)
    if (table.current?.querySelector('[data-row][tabindex="0"]') === null) newest?.setAttribute('tabindex', '0')
  })

  const show = (event: MouseEvent | FocusEvent) => setTip(placed(event.target))
  const focus = (event: FocusEvent) => {
    const cell = placed(event.target)
    if (cell === null) return
    for (const other of table.current?.querySelectorAll('[data-row][tabindex="0"]') ?? []) other.setAttribute('tabindex', '-1')
    cell.element.setAttribute('tabindex', '0')
    setTip(cell)
  }
  const press = (event: KeyboardEvent) => {
    const cell = placed(event.target)
    if (event.key === 'Escape') setTip(null)
    if (cell === null) return
    // The heads of the columns are the row before the first.
    const next = movedPlace(cell, event.key, rows.length + 1, runs.length)
    if (next === null) return
    event.preventDefault()
    seek(table.current, cell, next)?.focus()
  }
  const click = (event: MouseEvent) => {
    const href = placed(event.target)?.element.getAttribute('href')
    if (href == null || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    event.preventDefault()
    router.history.push(href)
  }
  return (
    <div className={classes.scroll} onScroll={() => setTip(null)}>
      <table
        ref={table}
        role="grid"
        aria-label="Task instances by run"
        aria-rowcount={rows.length + 1}
        aria-colcount={runs.length + 1}
        className={classes.grid}
        onMouseOver={show}
        onMouseLeave={() => setTip(null)}
        onFocus={focus}
        onBlur={() => setTip(null)}
        onKeyDown={press}
        onClick={click}
      >
        <GridBody dagId={dagId} rows={rows} runs={runs} columns={columns} folded={folded} onFold={onFold} zone={zone} />
      </table>
      {tip !== null && <GridTip at={tip} rows={rows} runs={runs} columns={columns} zone={zone} />}
    </div>
  )
}

/** The cell that an event is about. */
function placed(target: EventTarget | null): TipAt | null {
  const element = target instanceof Element ? target.closest<HTMLElement>('[data-row]') : null
  return element === null ? null : { element, row: Number(element.dataset.row), column: Number(element.dataset.column) }
}

/** The cell at a place, or the next one beyond it in the same direction: not every run has every task. */
function seek(table: HTMLElement | null, from: TipAt, to: { row: number; column: number }): HTMLElement | null {
  const step = { row: Math.sign(to.row - from.row), column: Math.sign(to.column - from.column) }
  for (let place = to, left = 400; left > 0; left--) {
    const found = table?.querySelector<HTMLElement>(`[data-row="${place.row}"][data-column="${place.column}"]`)
    if (found != null) return found
    place = { row: place.row + step.row, column: place.column + step.column }
    if (place.row < 0 || place.column < 0) return null
  }
  return null
}
