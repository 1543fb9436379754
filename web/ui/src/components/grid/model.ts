import type { TaskInstance } from '../../api/model'
import { byTask, summaryOf, type Summary } from '../tasks/summary'
import type { TreeRow } from '../tasks/tree'

/** What one row shows of one run. */
export interface GridCell {
  summary: Summary
  /** The instance, unless there are more than one: then it is a group or a mapped task. */
  instance: TaskInstance | null
}

/** The cells of one run, row by row; null where the run has no such task, undefined while it is not known. */
export type GridColumn = (GridCell | null)[] | undefined

export function gridColumn(rows: readonly TreeRow[], instances: readonly TaskInstance[] | undefined): GridColumn {
  if (instances === undefined) return undefined
  const tasks = byTask(instances)
  return rows.map((row) => {
    const found = row.taskIds.flatMap((id) => tasks.get(id) ?? [])
    const summary = summaryOf(found)
    if (summary === null) return null
    return { summary, instance: row.node.kind === 'task' && found.length === 1 ? (found[0] ?? null) : null }
  })
}

export interface Place {
  row: number
  column: number
}

/** Where a key leads from a place in the grid; null for a key that moves nothing. Rows and columns end at their ends. */
export function movedPlace(from: Place, key: string, rows: number, columns: number): Place | null {
  const at = (row: number, column: number): Place => ({
    row: Math.min(rows - 1, Math.max(0, row)),
    column: Math.min(columns - 1, Math.max(0, column)),
  })
  switch (key) {
    case 'ArrowUp':
      return at(from.row - 1, from.column)
    case 'ArrowDown':
      return at(from.row + 1, from.column)
    case 'ArrowLeft':
      return at(from.row, from.column - 1)
    case 'ArrowRight':
      return at(from.row, from.column + 1)
    case 'PageUp':
      return at(from.row - 10, from.column)
    case 'PageDown':
      return at(from.row + 10, from.column)
    case 'Home':
      return at(from.row, 0)
    case 'End':
      return at(from.row, columns - 1)
    default:
      return null
  }
}
