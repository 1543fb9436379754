import { byName } from '../../lib/order'
import { asCharts, type Chart } from '../chart/chart'

/** The answer of a `query` task, as it stands in its XCom. */
export interface QueryAnswer {
  columns: string[]
  rows: unknown[][]
  /** Of the whole answer; the XCom holds the first thousand at most. */
  rowCount: number
  /** Where the whole answer was written. */
  output: string | null
  charts: Chart[]
  expectations: Expectation[]
}

/** What was expected of rows, and how many were otherwise. */
export interface Expectation {
  name: string
  /** What happens when it does not hold. */
  action: 'fail' | 'drop' | 'warn'
  failed: number
}

/** Reads a value as the answer of a `query` task; null when it is something else. */
export function asQueryAnswer(value: unknown): QueryAnswer | null {
  if (!isRecord(value)) return null
  const { columns, rows, row_count: rowCount, output } = value
  if (!Array.isArray(columns) || !Array.isArray(rows) || !rows.every((row) => Array.isArray(row))) return null
  return {
    columns: columns.map(String),
    rows: rows as unknown[][],
    rowCount: typeof rowCount === 'number' ? rowCount : rows.length,
    output: typeof output === 'string' ? output : null,
    charts: asCharts(value.chart),
    expectations: asExpectations(value.expectations),
  }
}

function asExpectations(value: unknown): Expectation[] {
  if (!Array.isArray(value)) return []
  return value.flatMap((each: unknown) => {
    if (!isRecord(each)) return []
    const { name, action, failed_rows: failed } = each
    if (typeof name !== 'string' || typeof failed !== 'number') return []
    return [{ name, action: action === 'drop' || action === 'warn' ? action : 'fail', failed }]
  })
}

/** What a `clean` task reports. */
export interface CleanReport {
  read: number
  written: number
  rejected: number
  /** Rows that others were the same as; null when nobody looked for them. */
  duplicates: number | null
  expectations: Expectation[]
  /** How many rows each rule changed, in the order of the rules. */
  changed: [rule: string, count: number][]
  /** The other values of the report, to be shown as they are. */
  others: [name: string, value: unknown][]
}

export function asCleanReport(value: unknown): CleanReport | null {
  if (!isRecord(value)) return null
  const { rows_read: read, rows_written: written, rows_rejected: rejected, duplicates, expectations, changed, ...others } = value
  if (typeof read !== 'number' || typeof written !== 'number') return null
  const rules = isRecord(changed) ? Object.entries(changed) : []
  return {
    read,
    written,
    rejected: typeof rejected === 'number' ? rejected : 0,
    duplicates: typeof duplicates === 'number' ? duplicates : null,
    expectations: asExpectations(expectations),
    changed: rules.flatMap(([rule, count]) => (typeof count === 'number' ? [[rule, count] as [string, number]] : [])),
    others: Object.entries(others).filter(([, each]) => each !== null),
  }
}

/** What an `emulation` task reports. */
export interface EmulationReport {
  /** By table: its rows, and other counts. */
  tables: [name: string, counts: Record<string, unknown> & { rows: number }][]
  /** The names of the other counts. */
  counts: string[]
  /** Where the rows went. */
  location: string | null
}

const POSTED_TABLES = ['pin', 'geo', 'user']

export function asEmulationReport(value: unknown): EmulationReport | null {
  if (!isRecord(value)) return null
  const tables: EmulationReport['tables'] = []
  for (const name of POSTED_TABLES) {
    const table = value[name]
    if (!isRecord(table) || typeof table.rows !== 'number') return null
    tables.push([name, { ...table, rows: table.rows }])
  }
  const counts = [...new Set(tables.flatMap(([, table]) => Object.keys(table)))].filter((name) => name !== 'rows')
  return { tables, counts, location: typeof value.location === 'string' ? value.location : null }
}

export interface Sorting {
  column: number
  descending: boolean
}

/** Rows in the order asked for: numbers by size, texts as people sort them, nulls last either way. */
export function sortRows(rows: readonly unknown[][], sorting: Sorting | null): readonly unknown[][] {
  if (sorting === null) return rows
  const { column, descending } = sorting
  return [...rows].sort((a, b) => {
    const [x, y] = [a[column] ?? null, b[column] ?? null]
    if (x === null || y === null) return Number(x === null) - Number(y === null)
    return (descending ? -1 : 1) * compare(x, y)
  })
}

function compare(x: unknown, y: unknown): number {
  if (typeof x === 'number' && typeof y === 'number') return x - y
  return byName(asText(x), asText(y))
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** True when every value of the column is a number or null, and one is a number. */
export function isNumeric(rows: readonly unknown[][], column: number): boolean {
  const values = rows.map((row) => row[column] ?? null).filter((value) => value !== null)
  return values.length > 0 && values.every((value) => typeof value === 'number')
}

/**
 * The largest number of a column whose values are worth a bar: amounts that start near zero. Years, which all but
 * fill their bar, and columns with negative numbers get none.
 */
export function barScale(rows: readonly unknown[][], column: number): number | null {
  if (rows.length < 2 || !isNumeric(rows, column)) return null
  const values = rows.map((row) => row[column]).filter((value) => typeof value === 'number')
  const [least, most] = [Math.min(...values), Math.max(...values)]
  return least >= 0 && most > 0 && least / most < 0.9 ? most : null
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
