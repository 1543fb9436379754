import type { components } from '../src/api/schema.gen'
import { newRecord, type Db, type RunRecord } from './db'
import type { MockDag } from './fixtures'
import { json, problem } from './replies'
import { stepOf } from './views'

type Schemas = components['schemas']
type Body = Schemas['BackfillPostBody']

interface Entry {
  row: Schemas['BackfillResponse'] & { triggering_user_name: string | null }
  /** In the order in which they run. */
  records: RunRecord[]
  /** How many of them run. */
  running: number
}

/** The backfills of the mock: planned, run and ended as Airflow does, on the dates of the schedule. */
export class BackfillBook {
  /** Newest first. */
  private readonly entries: Entry[] = []

  constructor(private readonly db: Db) {
    const history = (dag: string) => [...(db.runs.get(dag) ?? [])].reverse()
    this.addFinished('sales_report', history('sales_report').slice(2, 9), 10)
    this.addFinished('sales_report', history('sales_report').slice(9, 22), 3)
    this.addFinished('hello', history('hello').slice(0, 6), 1)
  }

  list(url: URL): Response {
    const dag = url.searchParams.get('dag_id')
    const found = this.entries.filter(({ row }) => dag === null || row.dag_id === dag)
    const offset = Number(url.searchParams.get('offset') ?? 0)
    const page = found.slice(offset, offset + Number(url.searchParams.get('limit') ?? 50))
    return json({ backfills: page.map((entry) => ({ ...entry.row, runs: countsOf(entry) })), total_entries: found.length })
  }

  async plan(request: Request): Promise<Response> {
    const body = (await request.json()) as Body
    const planned = this.planned(body)
    if (planned instanceof Response) return planned
    const backfills = planned.map(({ date }) => ({ logical_date: date, partition_key: null, partition_date: null }))
    return json({ backfills, total_entries: backfills.length })
  }

  async create(request: Request): Promise<Response> {
    const body = (await request.json()) as Body
    const planned = this.planned(body)
    if (planned instanceof Response) return planned
    const dag = this.db.dag(body.dag_id ?? '')
    if (dag === undefined) return problem(404, `Could not find dag ${body.dag_id}`)
    const active = this.entries.find(({ row }) => row.dag_id === dag.id && row.completed_at === null)
    if (active !== undefined) return problem(409, `DAG \`${dag.id}\` has an active backfill already: ${active.row.id}`)
    if (planned.length === 0) return problem(422, 'no runs are to be made in this range')
    const entry: Entry = { row: this.newRow(dag.id, body), records: planned.map((each) => this.recordFor(dag, each, body)), running: 0 }
    this.entries.unshift(entry)
    this.advance(dag, entry)
    return json(entry.row)
  }

  setPaused(id: string, isPaused: boolean): Response {
    return this.withActive(id, (dag, entry) => {
      entry.row.is_paused = isPaused
      this.advance(dag, entry)
    })
  }

  cancel(id: string): Response {
    return this.withActive(id, (_, entry) => {
      entry.row.is_paused = true
      entry.row.completed_at = new Date().toISOString()
      for (const record of entry.records) if (record.run.state === 'queued') this.db.mark(record, 'failed')
    })
  }

  private withActive(id: string, change: (dag: MockDag, entry: Entry) => void): Response {
    const entry = this.entries.find(({ row }) => String(row.id) === id)
    const dag = this.db.dag(entry?.row.dag_id ?? '')
    if (entry === undefined || dag === undefined) return problem(404, 'Could not find backfill')
    if (entry.row.completed_at !== null) return problem(409, 'Backfill is already completed.')
    change(dag, entry)
    this.db.tell({ kind: 'dag', dag_id: dag.id })
    return json(entry.row)
  }

  /** Lets runs begin, as far as the backfill's own limit allows. */
  private advance(dag: MockDag, entry: Entry): void {
    while (!entry.row.is_paused && !dag.paused && entry.running < entry.row.max_active_runs) {
      const next = entry.records.find((record) => record.run.state === 'queued')
      if (next === undefined) break
      entry.running += 1
      void this.db.execute(dag, next).then(() => {
        entry.running -= 1
        this.advance(dag, entry)
      })
    }
    const { queued, running } = countsOf(entry)
    if (queued + running === 0) entry.row.completed_at ??= new Date().toISOString()
    this.db.tell({ kind: 'dag', dag_id: dag.id })
  }

  private planned(body: Body): { date: string; existing: RunRecord | undefined }[] | Response {
    const dag = this.db.dag(body.dag_id ?? '')
    if (dag === undefined) return problem(404, `Could not find dag ${body.dag_id}`)
    const step = stepOf(dag)
    const [from, to] = [Date.parse(body.from_date ?? ''), Date.parse(body.to_date ?? '')]
    const dates: string[] = []
    for (let at = Math.ceil(from / step) * step; at <= to && at + step < Date.now(); at += step) dates.push(new Date(at).toISOString())
    if (dates.length === 0) return problem(422, 'no runs are due in this range, or their time has not come yet')
    if (body.run_backwards === true) dates.reverse()
    const again: string[] = { failed: ['failed'], completed: ['failed', 'success'] }[body.reprocess_behavior ?? 'none'] ?? []
    return dates
      .map((date) => ({ date, existing: this.db.runs.get(dag.id)?.find(({ run }) => run.logical_date === date) }))
      .filter(({ existing }) => existing === undefined || again.includes(existing.run.state))
  }

  private recordFor(dag: MockDag, { date, existing }: { date: string; existing: RunRecord | undefined }, body: Body): RunRecord {
    const record = existing ?? newRecord(dag, `backfill__${date}`, date, date, 'backfill')
    const runs = this.db.runs.get(dag.id)
    if (existing === undefined) runs?.push(record)
    else this.db.reset(dag, record)
    runs?.sort((a, b) => b.run.run_after.localeCompare(a.run.run_after))
    Object.assign(record.run, { run_type: 'backfill', conf: body.dag_run_conf ?? {}, triggered_by: 'backfill', triggering_user_name: 'admin' })
    return record
  }

  private newRow(dagId: string, body: Body): Entry['row'] {
    const now = new Date().toISOString()
    return {
      id: this.entries.length + 1, dag_id: dagId, dag_display_name: dagId, from_date: body.from_date ?? now, to_date: body.to_date ?? now,
      dag_run_conf: body.dag_run_conf ?? {}, is_paused: false, reprocess_behavior: body.reprocess_behavior ?? 'none',
      max_active_runs: body.max_active_runs ?? 10, created_at: now, completed_at: null, updated_at: now, triggering_user_name: 'admin',
    }
  }

  /** Runs that are there from the start, as the work of a backfill. */
  private addFinished(dagId: string, records: RunRecord[], atOnce: number): void {
    const [first, last] = [records[0], records.at(-1)]
    if (first === undefined || last === undefined) return
    const row = this.newRow(dagId, {
      dag_id: dagId, from_date: first.run.logical_date, to_date: last.run.logical_date, max_active_runs: atOnce, reprocess_behavior: 'failed',
    })
    for (const { run } of records) run.run_type = 'backfill'
    this.entries.unshift({ row: { ...row, created_at: last.run.run_after, completed_at: last.run.end_date, triggering_user_name: null }, records, running: 0 })
  }
}

function countsOf({ records }: Entry): Schemas['BackfillRunsResponse'] {
  const counts = { queued: 0, running: 0, success: 0, failed: 0 }
  for (const { run } of records) counts[run.state] += 1
  return counts
}
