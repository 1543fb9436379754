import type { components } from '../src/api/schema.gen'
import { AssetBook } from './assets'
import { BackfillBook } from './backfills'
import { DAGS, IMPORT_ERROR, POOLS, type FrozenState, type MockDag, type MockTask } from './fixtures'
import { SecretBook } from './secrets'
import { stepOf } from './views'

type Schemas = components['schemas']
export type Run = Schemas['DAGRunResponse']
export type Instance = Schemas['TaskInstanceResponse']
export type Line = Schemas['StructuredLogMessage']

/** One try of a task, with its log. */
export interface Attempt {
  instance: Instance
  log: Line[]
}

export interface RunRecord {
  run: Run
  /** By [`instanceKey`]. */
  instances: Map<string, Instance>
  /** Finished tries and the one under way, by [`instanceKey`]. */
  attempts: Map<string, Attempt[]>
  /** Counts how often the run was begun: what an earlier time began does not go on. */
  turn: number
}

/** `process` for a task, `process[3]` for an instance of a mapped one. */
export function instanceKey(task: string, mapIndex = -1): string {
  return mapIndex < 0 ? task : `${task}[${mapIndex}]`
}

const LASTING: (string | null)[] = ['success', 'failed', 'skipped', 'upstream_failed', 'removed']

export type Hint = Record<string, string | number | null>

/** The state of a small pretended server. `speed` makes its tasks run faster. */
export class Db {
  pools: Schemas['PoolResponse'][] = POOLS.map((pool) => structuredClone(pool))
  readonly dags = DAGS.map((dag) => structuredClone(dag))
  readonly assets: AssetBook
  readonly backfills: BackfillBook
  readonly secrets = new SecretBook()
  readonly runs = new Map<string, RunRecord[]>()
  readonly listeners = new Set<(hint: Hint) => void>()
  readonly logListeners = new Set<(instance: Instance, line: Line | null) => void>()
  importErrors: Schemas['ImportErrorResponse'][] = [
    { import_error_id: 1, timestamp: iso(Date.now() - 240_000), filename: 'broken.yaml', bundle_name: 'dags-folder', stack_trace: IMPORT_ERROR },
  ]

  constructor(readonly speed = 1) {
    for (const dag of this.dags) {
      this.runs.set(dag.id, [])
      for (let place = dag.history.count - 1; place >= 0; place--) this.addFinished(dag, place)
      if (dag.frozen !== undefined) this.addFrozen(dag, dag.frozen)
    }
    this.assets = new AssetBook(this)
    this.backfills = new BackfillBook(this)
  }

  dag(id: string): MockDag | undefined {
    return this.dags.find((dag) => dag.id === id)
  }

  record(dagId: string, runId: string): RunRecord | undefined {
    return this.runs.get(dagId)?.find((each) => each.run.dag_run_id === runId)
  }

  tell(hint: Hint): void {
    for (const listener of this.listeners) listener(hint)
  }

  setPaused(dag: MockDag, paused: boolean): void {
    dag.paused = paused
    this.tell({ kind: 'dag', dag_id: dag.id })
    if (paused) return
    for (const record of this.runs.get(dag.id) ?? []) if (record.run.state === 'queued') void this.execute(dag, record)
  }

  trigger(dag: MockDag, body: Schemas['TriggerDAGRunPostBody']): Run {
    const after = iso(Date.now())
    const id = body.dag_run_id ?? `manual__${after}`
    const record = newRecord(dag, id, body.logical_date ?? null, after, 'manual')
    record.run.conf = body.conf ?? {}
    record.run.note = body.note ?? null
    record.run.triggered_by = 'ui'
    record.run.triggering_user_name = 'admin'
    this.runs.get(dag.id)?.unshift(record)
    this.runChanged(record)
    if (dag.paused) record.run.reason = 'DAG paused'
    else void this.execute(dag, record)
    return record.run
  }

  mark(record: RunRecord, state: 'success' | 'failed' | 'queued'): void {
    const now = iso(Date.now())
    record.run.state = state
    record.run.end_date = now
    record.run.duration = seconds(record.run.start_date ?? now, now)
    for (const instance of record.instances.values()) {
      if (instance.end_date !== null) continue
      instance.state = state === 'success' ? 'success' : instance.state === 'running' ? 'failed' : 'skipped'
      instance.end_date = now
      instance.reason = null
      this.taskChanged(instance)
    }
    this.runChanged(record)
  }

  private runChanged({ run }: RunRecord): void {
    this.tell({ kind: 'dag_run', dag_id: run.dag_id, dag_run_id: run.dag_run_id, state: run.state })
  }

  private taskChanged(instance: Instance): void {
    const { dag_id, dag_run_id, task_id, map_index, state } = instance
    this.tell({ kind: 'task_instance', dag_id, dag_run_id, task_id, map_index, state })
  }

  /** Lets instances run again, as new ones, and the run with them. */
  clear(dag: MockDag, record: RunRecord, instances: Instance[]): void {
    this.reset(dag, record, instances)
    if (!dag.paused) void this.execute(dag, record)
  }

  /** The same, for somebody else to begin. */
  reset(dag: MockDag, record: RunRecord, instances = [...record.instances.values()]): void {
    record.turn += 1
    const abandoned = [...record.instances.values()].filter((each) => !LASTING.includes(each.state))
    for (const instance of new Set([...instances, ...abandoned])) {
      instance.max_tries = instance.try_number + (dag.tasks.find((task) => task.id === instance.task_id)?.retries ?? 0)
      Object.assign(instance, { state: null, start_date: null, end_date: null, duration: null, error: null, reason: 'was cleared' })
      this.taskChanged(instance)
    }
    Object.assign(record.run, { state: 'queued', end_date: null, duration: null, queued_at: iso(Date.now()) })
    this.runChanged(record)
  }

  markTasks(dag: MockDag, record: RunRecord, instances: Instance[], state: 'success' | 'failed' | 'skipped'): void {
    const now = iso(Date.now())
    for (const instance of instances) {
      Object.assign(instance, { state, end_date: now, reason: null, error: null })
      this.taskChanged(instance)
    }
    const blocked = [...record.instances.values()].filter((each) => each.state === 'upstream_failed')
    if (state === 'success' && blocked.length > 0) this.clear(dag, record, blocked)
  }

  remove(record: RunRecord): void {
    const list = this.runs.get(record.run.dag_id)
    list?.splice(list.indexOf(record), 1)
    this.runChanged(record)
  }

  async execute(dag: MockDag, record: RunRecord): Promise<void> {
    const { run } = record
    record.turn += 1
    const turn = record.turn
    run.state = 'running'
    run.reason = null
    run.start_date ??= iso(Date.now())
    this.runChanged(record)
    const done = new Map<string, Promise<unknown>>()
    for (const task of dag.tasks) {
      const before = Promise.all(task.after.map((id) => done.get(id) ?? Promise.resolve()))
      const instances = [...record.instances.values()].filter((each) => each.task_id === task.id)
      done.set(task.id, before.then(() => Promise.all(instances.map((each) => this.runTask(record, task, each, turn)))))
    }
    await Promise.all(done.values())
    if (record.turn !== turn || run.state !== 'running') return
    run.state = [...record.instances.values()].some((each) => each.state === 'failed') ? 'failed' : 'success'
    run.end_date = iso(Date.now())
    run.duration = seconds(run.start_date, run.end_date)
    this.runChanged(record)
  }

  private async runTask(record: RunRecord, task: MockTask, instance: Instance, turn: number): Promise<void> {
    if (record.turn !== turn || LASTING.includes(instance.state)) return
    instance.reason = null
    const blocked = [...record.instances.values()].some((each) => task.after.includes(each.task_id) && each.state !== 'success')
    if (blocked) {
      instance.state = 'upstream_failed'
      instance.reason = 'a task before it failed'
      instance.end_date = iso(Date.now())
      this.taskChanged(instance)
      return
    }
    for (let attempt = instance.try_number + 1; attempt <= instance.max_tries + 1; attempt++) {
      if (record.run.state !== 'running' || record.turn !== turn) return
      if (await this.runTry(record, instance, task, attempt, turn)) return
      if (attempt > instance.max_tries) return
      instance.state = 'up_for_retry'
      instance.reason = 'waits 2 s before its next try'
      this.taskChanged(instance)
      await this.pause(2)
    }
  }

  /** True when the try ends well. */
  private async runTry(record: RunRecord, instance: Instance, task: MockTask, attempt: number, turn: number): Promise<boolean> {
    const queued = iso(Date.now())
    Object.assign(instance, { state: 'queued', try_number: attempt, queued_when: queued, start_date: null, end_date: null, duration: null, reason: null, error: null })
    this.taskChanged(instance)
    await this.pause(0.15)
    const entry: Attempt = { instance, log: [] }
    const key = instanceKey(task.id, instance.map_index)
    record.attempts.set(key, [...(record.attempts.get(key) ?? []), entry])
    instance.state = 'running'
    instance.start_date = iso(Date.now())
    this.taskChanged(instance)
    for (const line of linesOf(task, attempt)) {
      await this.pause(task.seconds / 8)
      if (record.turn !== turn) return true
      const dated = { ...line, timestamp: iso(Date.now()) }
      entry.log.push(dated)
      for (const listener of this.logListeners) listener(instance, dated)
    }
    if (record.run.state !== 'running' || record.turn !== turn) return true
    const isBadDay = typeof record.run.conf?.bad === 'string' && record.run.logical_date?.startsWith(record.run.conf.bad) === true
    const good = attempt > (task.fails?.tries ?? 0) && !isBadDay
    instance.state = good ? 'success' : 'failed'
    instance.end_date = iso(Date.now())
    instance.duration = seconds(instance.start_date, instance.end_date)
    instance.error = good ? null : (task.fails?.message ?? null)
    entry.instance = structuredClone(instance)
    for (const listener of this.logListeners) listener(instance, null)
    this.taskChanged(instance)
    return good
  }

  private pause(length: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, (length * 1000) / this.speed))
  }

  private addFinished(dag: MockDag, place: number): void {
    const step = stepOf(dag)
    const at = Math.floor(Date.now() / step) * step - place * step
    const failed = dag.history.failed.includes(place)
    const kind = dag.assets === true ? 'asset_triggered' : dag.cron === null ? 'manual' : 'scheduled'
    const record = newRecord(dag, `${kind}__${iso(at)}`, iso(at), iso(at), kind)
    let clock = at + 1200
    record.run.start_date = iso(at + 800)
    let broken = false
    for (const task of dag.tasks) {
      const before = clock
      for (const instance of record.instances.values()) {
        // Mapped instances run side by side, a little apart.
        if (instance.task_id !== task.id) continue
        const from = before + Math.max(0, instance.map_index) * 120
        clock = Math.max(clock, this.finish(record, instance, task, from, failed, broken))
      }
      broken ||= [...record.instances.values()].some((each) => each.state === 'failed')
    }
    record.run.state = broken ? 'failed' : 'success'
    record.run.end_date = iso(clock)
    record.run.duration = seconds(record.run.start_date, record.run.end_date)
    record.run.triggered_by = kind === 'manual' ? 'ui' : kind === 'scheduled' ? 'timetable' : 'asset'
    record.run.triggering_user_name = kind === 'manual' ? 'admin' : null
    this.runs.get(dag.id)?.unshift(record)
  }

  /** A run that stands still, with every task in the state given: to look at. */
  private addFrozen(dag: MockDag, frozen: Record<string, FrozenState>): void {
    const at = Date.now() - 95_000
    const record = newRecord(dag, `manual__${iso(at)}`, iso(at), iso(at), 'manual')
    Object.assign(record.run, { state: 'running', start_date: iso(at), triggered_by: 'ui', triggering_user_name: 'admin' })
    for (const instance of record.instances.values()) {
      const { state, reason } = frozen[instance.task_id] ?? { state: null, reason: null }
      const began = state !== null && !['scheduled', 'queued', 'upstream_failed', 'skipped', 'removed'].includes(state)
      Object.assign(instance, { state, reason, try_number: began ? 1 : 0, queued_when: iso(at + 400), start_date: began ? iso(at + 1500) : null })
      if (state === 'success' || state === 'failed') Object.assign(instance, { end_date: iso(at + 42_000), duration: 40.5 })
      if (state === 'failed') instance.error = 'the command exited with code 2'
    }
    this.runs.get(dag.id)?.unshift(record)
  }

  private finish(record: RunRecord, instance: Instance, task: MockTask, from: number, failing: boolean, broken: boolean): number {
    instance.reason = null
    if (broken) {
      instance.state = 'upstream_failed'
      instance.reason = 'a task before it failed'
      instance.end_date = iso(from)
      return from
    }
    let clock = from
    const last = failing ? (task.retries ?? 0) + 1 : 1
    const falls = failing && task === this.dag(record.run.dag_id)?.tasks.at(-2) && [-1, 2].includes(instance.map_index)
    const tries = falls ? last : 1
    for (let attempt = 1; attempt <= tries; attempt++) {
      const length = task.seconds * (700 + ((clock / 900_000 + attempt * 37) % 7) * 130)
      Object.assign(instance, { try_number: attempt, queued_when: iso(clock), start_date: iso(clock + 90), end_date: iso(clock + length), duration: (length - 90) / 1000 })
      instance.state = falls ? 'failed' : 'success'
      instance.error = falls ? (task.fails?.message ?? 'the command exited with code 2') : null
      const script = falls ? { ...task, fails: { tries: 9, message: instance.error ?? '' } } : { ...task, fails: undefined }
      const log = linesOf(script, attempt).map((line, place) => ({ ...line, timestamp: iso(clock + 100 + (place * length) / 9) }))
      const key = instanceKey(task.id, instance.map_index)
      record.attempts.set(key, [...(record.attempts.get(key) ?? []), { instance: structuredClone(instance), log }])
      clock += length + 150
    }
    return clock
  }
}

export function newRecord(dag: MockDag, id: string, logicalDate: string | null, runAfter: string, type: Run['run_type']): RunRecord {
  const run: Run = {
    dag_run_id: id, dag_id: dag.id, logical_date: logicalDate, queued_at: runAfter, start_date: null, end_date: null,
    duration: null, data_interval_start: logicalDate, data_interval_end: logicalDate, run_after: runAfter,
    last_scheduling_decision: null, run_type: type, state: 'queued', triggered_by: null, triggering_user_name: null,
    conf: {}, note: null, dag_versions: [], bundle_version: null, dag_display_name: dag.id, partition_key: null,
    partition_date: null, reason: null,
  }
  const instances = dag.tasks.flatMap((task) =>
    task.mapped === undefined
      ? [newInstance(dag, run, task)]
      : task.mapped.map((name, place) => ({ ...newInstance(dag, run, task), map_index: place, rendered_map_index: name })),
  )
  return { run, instances: new Map(instances.map((each) => [instanceKey(each.task_id, each.map_index), each])), attempts: new Map(), turn: 0 }
}

function newInstance(dag: MockDag, run: Run, task: MockTask): Instance {
  return {
    id: crypto.randomUUID(), task_id: task.id, dag_id: dag.id, dag_run_id: run.dag_run_id, map_index: -1,
    logical_date: run.logical_date, run_after: run.run_after, start_date: null, end_date: null, duration: null, state: null,
    try_number: 0, max_tries: task.retries ?? 0, task_display_name: task.id, dag_display_name: dag.id, hostname: 'localhost',
    unixname: null, pool: 'default_pool', pool_slots: 1, queue: 'default', priority_weight: 1, operator: task.operator,
    operator_name: task.operator, queued_when: null, scheduled_when: null, pid: null, executor: 'local', executor_config: '{}',
    note: null, error: null, rendered_map_index: null, trigger: null, triggerer_job: null, dag_version: null,
    rendered_fields: task.operator === 'bash' ? { bash_command: `echo "${task.id} of {{ ds }}"` } : { sql: 'SELECT 1' },
    reason: task.after.length > 0 ? `waits for ${task.after.join(', ')}` : null,
  }
}

function linesOf(task: MockTask, attempt: number): Line[] {
  const fails = attempt <= (task.fails?.tries ?? 0)
  return [
    { event: `::group::Try ${attempt} of ${(task.retries ?? 0) + 1}`, level: 'info', logger: 'updraft' },
    { event: `Operator ${task.operator} starts`, level: 'debug', logger: 'updraft' },
    { event: '::endgroup::', level: 'info', logger: 'updraft' },
    { event: `Reading ${task.after.length === 0 ? 'the source' : task.after.join(', ')}`, level: 'info', logger: task.operator },
    { event: 'Read 11,154 rows in 3 tables; the schema was inferred from the first 1,000 rows of each, which is enough for rows as regular as these', level: 'info', logger: task.operator },
    { event: '15 rows have an image source that is an error marker', level: 'warning', logger: task.operator },
    fails
      ? { event: task.fails?.message ?? 'failed', level: 'error', logger: task.operator }
      : { event: 'Done', level: 'info', logger: task.operator },
  ]
}

function iso(at: number): string {
  return new Date(at).toISOString()
}

function seconds(from: string, to: string): number {
  return (Date.parse(to) - Date.parse(from)) / 1000
}
