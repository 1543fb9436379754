import type { Grid, GridInstances } from '../../api/model'
import { inOrder } from '../tasks/order'
import { summaryOf, type Summary } from '../tasks/summary'
import { groupingOf, taskTree, type TaskTreeNode, type TreeRow } from '../tasks/tree'

/** The rows of the grid as a tree: tasks as they come in a run, and below them those that the DAG no longer has. */
export function gridTree({ tasks, groups }: Pick<Grid, 'tasks' | 'groups'>): TaskTreeNode[] {
  const grouping = groupingOf(tasks.map((task) => ({ ...task, task_group_id: task.group_id })), groups)
  const current = inOrder(tasks.filter((task) => !task.is_removed)).map((task) => task.id)
  const removed = tasks.filter((task) => task.is_removed).map((task) => task.task_id)
  const named = tasks.flatMap((task) => (task.task_display_name === task.task_id ? [] : [[task.task_id, task.task_display_name] as const]))
  return taskTree([...current, ...removed], { ...grouping, shown: new Map([...named, ...grouping.shown]) })
}

/** What one row shows of one run. */
export interface GridCell {
  summary: Summary
  /** The instance, unless it is a group or a mapped task. */
  instance: GridInstances | null
}

/** The cells of one run, row by row; null where the run has no such task. */
export type GridColumn = (GridCell | null)[]

export function gridColumn(rows: readonly TreeRow[], instances: readonly GridInstances[]): GridColumn {
  const tasks = new Map<string, GridInstances[]>()
  for (const each of instances) {
    const known = tasks.get(each.task_id)
    if (known === undefined) tasks.set(each.task_id, [each])
    else known.push(each)
  }
  return rows.map((row) => {
    const found = row.taskIds.flatMap((id) => tasks.get(id) ?? [])
    const summary = summaryOf(found)
    if (summary === null) return null
    const [only] = found
    return { summary, instance: row.node.kind === 'task' && only?.is_mapped === false ? only : null }
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
