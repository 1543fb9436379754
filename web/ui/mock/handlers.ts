import type { components } from '../src/api/schema.gen'
import { clearRun, clearTasks, deleteRun, markTask } from './actions'
import { instanceKey, type Db, type RunRecord } from './db'
import type { MockDag } from './fixtures'
import { gridView } from './grid'
import { json, problem } from './replies'
import { detailsView, dagView, groupsView, nextTimes, rowView, taskView } from './views'

type Schemas = components['schemas']
type Params = Record<string, string>
type Handler = (db: Db, params: Params, request: Request, url: URL) => Response | Promise<Response>

/** The password of the mock's only user, `admin`. */
export const MOCK_PASSWORD = 'updraft'

const DAG = '/api/v2/dags/:dag'
const RUN = `${DAG}/dagRuns/:run`
const TASK = `${RUN}/taskInstances/:task`

const ROUTES: [method: string, path: string, handler: Handler][] = [
  ['POST', '/auth/login', login],
  ['POST', '/auth/logout', () => new Response(null, { status: 204, headers: { 'set-cookie': '_token=; Path=/; Max-Age=0' } })],
  ['GET', '/api/v2/updraft/me', () => json({ username: 'admin', role: 'ADMIN' })],
  ['GET', '/api/v2/version', () => json({ version: '0.1.0', git_version: null })],
  ['GET', '/api/v2/updraft/events', events],
  ['GET', '/api/v2/importErrors', (db) => json({ import_errors: db.importErrors, total_entries: db.importErrors.length })],
  ['GET', '/api/v2/pools', (db) => json({ pools: db.pools, total_entries: db.pools.length })],
  ['POST', '/api/v2/pools', postPool],
  ['PATCH', '/api/v2/pools/:pool', patchPool],
  ['DELETE', '/api/v2/pools/:pool', deletePool],
  ['GET', '/api/v2/updraft/connection-types', (db) => db.secrets.types()],
  ['GET', '/api/v2/connections', (db, _, __, url) => db.secrets.listConnections(url)],
  ['POST', '/api/v2/connections', (db, _, request) => db.secrets.createConnection(request)],
  ['POST', '/api/v2/connections/test', (db, _, request) => db.secrets.testConnection(request)],
  ['PATCH', '/api/v2/connections/:connection', (db, params, request) => db.secrets.changeConnection(params.connection ?? '', request)],
  ['DELETE', '/api/v2/connections/:connection', (db, params) => db.secrets.deleteConnection(params.connection ?? '')],
  ['GET', '/api/v2/variables', (db, _, __, url) => db.secrets.listVariables(url)],
  ['POST', '/api/v2/variables', (db, _, request) => db.secrets.createVariable(request)],
  ['PATCH', '/api/v2/variables/:variable', (db, params, request) => db.secrets.changeVariable(params.variable ?? '', request)],
  ['DELETE', '/api/v2/variables/:variable', (db, params) => db.secrets.deleteVariable(params.variable ?? '')],
  ['GET', '/api/v2/updraft/backfills', (db, _, __, url) => db.backfills.list(url)],
  ['POST', '/api/v2/backfills', (db, _, request) => db.backfills.create(request)],
  ['POST', '/api/v2/backfills/dry_run', (db, _, request) => db.backfills.plan(request)],
  ['PUT', '/api/v2/backfills/:backfill/pause', (db, params) => db.backfills.setPaused(params.backfill ?? '', true)],
  ['PUT', '/api/v2/backfills/:backfill/unpause', (db, params) => db.backfills.setPaused(params.backfill ?? '', false)],
  ['PUT', '/api/v2/backfills/:backfill/cancel', (db, params) => db.backfills.cancel(params.backfill ?? '')],
  ['GET', '/api/v2/updraft/callbacks', () => json({ callbacks: [], total_entries: 0 })],
  ['GET', '/api/v2/assets', (db, _, __, url) => db.assets.list(url)],
  ['GET', '/api/v2/assets/events', (db, _, __, url) => db.assets.eventsOf(url)],
  ['POST', '/api/v2/assets/events', (db, _, request) => db.assets.record(request)],
  ['GET', '/api/v2/assets/:asset', (db, params) => db.assets.one(params.asset ?? '')],
  ['GET', '/api/v2/assets/:asset/queuedEvents', (db, params) => db.assets.queueOf(params.asset ?? '')],
  ['POST', '/api/v2/assets/:asset/materialize', (db, params) => db.assets.materialize(params.asset ?? '')],
  ['DELETE', `${DAG}/assets/:asset/queuedEvents`, (db, params) => db.assets.forget(params.dag ?? '', params.asset ?? '')],
  ['GET', '/api/v2/updraft/dags/:dag/assets', (db, params) => withDag(db, params, (dag) => json(db.assets.awaitedBy(dag.id)))],
  ['GET', `${RUN}/upstreamAssetEvents`, (db, params) => withRun(db, params, (record) => db.assets.upstreamOf(record))],
  ['GET', '/api/v2/updraft/dags', listDags],
  ['GET', `${DAG}/details`, (db, params) => withDag(db, params, (dag) => json(detailsView(dag, running(db, dag.id))))],
  ['PATCH', DAG, patchDag],
  ['POST', `${DAG}/favorite`, (db, params) => withDag(db, params, (dag) => setFavorite(dag, true))],
  ['POST', `${DAG}/unfavorite`, (db, params) => withDag(db, params, (dag) => setFavorite(dag, false))],
  ['GET', '/api/v2/dagSources/:dag', (db, params) => withDag(db, params, (dag) => json({ content: dag.source, dag_id: dag.id, version_number: 3, dag_display_name: dag.id }))],
  ['GET', `${DAG}/tasks`, (db, params) => withDag(db, params, (dag) => json({ tasks: dag.tasks.map((task) => taskView(dag, task)), total_entries: dag.tasks.length, task_groups: groupsView(dag) }))],
  ['GET', '/api/v2/dagWarnings', () => json({ dag_warnings: [], total_entries: 0 })],
  ['GET', '/api/v2/updraft/dags/:dag/next', nextRuns],
  ['GET', '/api/v2/updraft/dags/:dag/grid', (db, params, _, url) => withDag(db, params, (dag) => json(gridView(dag, paged(db.runs.get(dag.id) ?? [], url))))],
  ['GET', `${DAG}/dagRuns`, listRuns],
  ['POST', `${DAG}/dagRuns`, trigger],
  ['GET', RUN, (db, params) => withRun(db, params, (record) => json(record.run))],
  ['PATCH', RUN, patchRun],
  ['DELETE', RUN, (db, params) => withRun(db, params, (record) => deleteRun(db, record))],
  ['POST', `${RUN}/clear`, (db, params, request) => withRun(db, params, (record) => clearRun(db, record, request))],
  ['POST', `${DAG}/clearTaskInstances`, (db, params, request) => withDag(db, params, (dag) => clearTasks(db, dag, request))],
  ['GET', `${RUN}/taskInstances`, listInstances],
  ['PATCH', `${TASK}/dry_run`, (db, params, request) => withRun(db, params, (record) => markTask(db, record, params, request, true))],
  ['PATCH', `${TASK}/:map/dry_run`, (db, params, request) => withRun(db, params, (record) => markTask(db, record, params, request, true))],
  ['PATCH', TASK, (db, params, request) => withRun(db, params, (record) => markTask(db, record, params, request, false))],
  ['PATCH', `${TASK}/:map`, (db, params, request) => withRun(db, params, (record) => markTask(db, record, params, request, false))],
  ['GET', TASK, oneInstance],
  ['GET', `${TASK}/dependencies`, dependencies],
  ['GET', `${TASK}/:map/dependencies`, dependencies],
  // Nothing asks and nothing is made here; that needs tasks that run.
  ['GET', `${RUN}/hitlDetails`, () => json({ hitl_details: [], total_entries: 0 })],
  ['GET', `${TASK}/links`, () => json({ extra_links: {}, total_entries: 0 })],
  ['GET', `${TASK}/tries`, tries],
  ['GET', `${TASK}/:map/tries`, tries],
  ['GET', `${TASK}/logs/:try`, (db, params, _, url) => withTask(db, params, url, (record, task) => json({ content: record.attempts.get(task)?.[Number(params.try) - 1]?.log ?? [], continuation_token: null }))],
  ['GET', '/api/v2/updraft/dags/:dag/dagRuns/:run/taskInstances/:task/logs/:try/stream', logStream],
  ['GET', `${TASK}/xcomEntries`, listXComs],
  ['GET', `${TASK}/xcomEntries/:key`, (db, params, _, url) => withTask(db, params, url, (record, task) => json({ key: params.key, value: resultOf(db, params, record, task) }))],
  ['GET', `${TASK}/:map`, oneInstance],
]

const PATTERNS = ROUTES.map(([method, path, handler]) => ({
  method,
  handler,
  pattern: new RegExp(`^${path.replaceAll(/:(\w+)/g, '(?<$1>[^/]+)')}$`),
}))

/** Answers a request as the server would; null for what is no part of the API. */
export async function handle(db: Db, request: Request): Promise<Response | null> {
  const url = new URL(request.url)
  if (!url.pathname.startsWith('/api/') && !url.pathname.startsWith('/auth/')) return null
  const isOpen = url.pathname === '/auth/login' || url.pathname === '/api/v2/version'
  if (!isOpen && !(request.headers.get('cookie') ?? '').includes('_token=mock')) return problem(401, 'Not authenticated')
  for (const { method, pattern, handler } of PATTERNS) {
    const match = method === request.method ? pattern.exec(url.pathname) : null
    if (match === null) continue
    const params = Object.fromEntries(Object.entries(match.groups ?? {}).map(([name, value]) => [name, decodeURIComponent(value)]))
    return handler(db, params, request, url)
  }
  return problem(404, 'API route not found')
}

async function login(_: Db, __: Params, request: Request): Promise<Response> {
  const { username, password } = (await request.json()) as { username: string; password: string }
  if (username !== 'admin' || password !== MOCK_PASSWORD) return problem(401, 'Invalid credentials')
  return new Response(null, { status: 204, headers: { 'set-cookie': '_token=mock; Path=/; HttpOnly; SameSite=Lax' } })
}

function listDags(db: Db, _: Params, __: Request, url: URL): Response {
  const query = url.searchParams
  const pattern = query.get('name_pattern')?.toLowerCase()
  const tags = query.getAll('tags')
  const paused = query.get('paused')
  const state = query.get('last_dag_run_state')
  const runs = Number(query.get('runs') ?? 0)
  const found = db.dags
    .filter((dag) => pattern === undefined || dag.id.toLowerCase().includes(pattern))
    .filter((dag) => tags.length === 0 || tags.some((tag) => dag.tags.includes(tag)))
    .filter((dag) => paused === null || String(dag.paused) === paused)
    .filter((dag) => query.get('is_favorite') === null || dag.favorite === true)
    .filter((dag) => state === null || db.runs.get(dag.id)?.[0]?.run.state === state)
    .sort((a, b) => a.id.localeCompare(b.id))
  const page = paged(found, url)
  return json({
    dags: page.map((dag) => rowView(dag, (db.runs.get(dag.id) ?? []).slice(0, runs).map((record) => record.run))),
    total_entries: found.length,
  })
}

function patchDag(db: Db, params: Params, request: Request): Response | Promise<Response> {
  return withDag(db, params, async (dag) => {
    const { is_paused } = (await request.json()) as Schemas['DAGPatchBody']
    db.setPaused(dag, is_paused === true)
    return json(dagView(dag))
  })
}

function setFavorite(dag: MockDag, favorite: boolean): Response {
  dag.favorite = favorite
  return new Response(null, { status: 204 })
}

function nextRuns(db: Db, params: Params, _: Request, url: URL): Response | Promise<Response> {
  return withDag(db, params, (dag) => {
    const times = dag.cron === null ? [] : nextTimes(dag, Number(url.searchParams.get('count') ?? 10))
    return json({ runs: times.map((at) => ({ run_after: at, logical_date: at, data_interval_start: at, data_interval_end: at, partition_key: null, note: null })) })
  })
}

function listRuns(db: Db, params: Params, _: Request, url: URL): Response {
  const states = url.searchParams.getAll('state')
  const types = url.searchParams.getAll('run_type')
  const found = (db.runs.get(params.dag ?? '') ?? [])
    .map((record) => record.run)
    .filter((run) => (states.length === 0 || states.includes(run.state)) && (types.length === 0 || types.includes(run.run_type)))
  return json({ dag_runs: paged(found, url), total_entries: found.length })
}

function trigger(db: Db, params: Params, request: Request): Response | Promise<Response> {
  return withDag(db, params, async (dag) => {
    if (dag.runTypes?.includes('manual') === false) return problem(400, `Dag with dag_id: '${dag.id}' does not allow manual runs`)
    const body = (await request.json()) as Schemas['TriggerDAGRunPostBody']
    if (body.conf?.user_id === 'ffffffffffff') return problem(400, 'Invalid input for param user_id: no such user')
    if (body.dag_run_id != null && db.record(dag.id, body.dag_run_id)) return problem(409, 'There is a run of this id already')
    return json(db.trigger(dag, body))
  })
}

function patchRun(db: Db, params: Params, request: Request): Response | Promise<Response> {
  return withRun(db, params, async (record) => {
    const { state } = (await request.json()) as Schemas['DAGRunPatchBody']
    if (state != null) db.mark(record, state)
    return json(record.run)
  })
}

function listInstances(db: Db, params: Params, _: Request, url: URL): Response | Promise<Response> {
  return withRun(db, params, (record) => {
    const task = url.searchParams.get('task_id')
    const found = [...record.instances.values()].filter((each) => task === null || each.task_id === task)
    return json({ task_instances: paged(found, url), total_entries: found.length })
  })
}

function oneInstance(db: Db, params: Params, _: Request, url: URL): Response | Promise<Response> {
  return withTask(db, params, url, (record, task) => json(record.instances.get(task)))
}

function dependencies(db: Db, params: Params, _: Request, url: URL): Response | Promise<Response> {
  return withTask(db, params, url, (record, task) => {
    const reason = record.instances.get(task)?.reason ?? null
    return json({ dependencies: reason === null ? [] : [{ name: 'Trigger Rule', reason, remedy: null }] })
  })
}

async function postPool(db: Db, _: Params, request: Request): Promise<Response> {
  const { name, slots, description, include_deferred } = (await request.json()) as Schemas['PoolBody']
  if (db.pools.some((pool) => pool.name === name)) return problem(409, `pool \`${name}\` exists already`)
  const pool: Schemas['PoolResponse'] = {
    name, slots, description: description ?? null, include_deferred: include_deferred ?? false, occupied_slots: 0,
    running_slots: 0, queued_slots: 0, scheduled_slots: 0, open_slots: slots, deferred_slots: 0, team_name: null,
  }
  db.pools = [...db.pools, pool].sort((a, b) => a.name.localeCompare(b.name))
  return Response.json(pool, { status: 201 })
}

function patchPool(db: Db, params: Params, request: Request): Response | Promise<Response> {
  return withPool(db, params, async (pool) => {
    const { slots, description, include_deferred } = (await request.json()) as Schemas['PoolPatchBody']
    if (slots != null) pool.slots = slots
    if (description !== undefined) pool.description = description
    if (include_deferred != null) pool.include_deferred = include_deferred
    pool.open_slots = pool.slots < 0 ? -1 : Math.max(pool.slots - pool.occupied_slots, 0)
    return json(pool)
  })
}

function deletePool(db: Db, params: Params): Response | Promise<Response> {
  return withPool(db, params, (pool) => {
    db.pools = db.pools.filter((each) => each !== pool)
    return new Response(null, { status: 204 })
  })
}

function tries(db: Db, params: Params, _: Request, url: URL): Response | Promise<Response> {
  return withTask(db, params, url, (record, task) => {
    const list = (record.attempts.get(task) ?? []).map((attempt) => attempt.instance)
    return json({ task_instances: list, total_entries: list.length })
  })
}

function listXComs(db: Db, params: Params, _: Request, url: URL): Response | Promise<Response> {
  return withTask(db, params, url, (record, task) => {
    const entries = resultOf(db, params, record, task) === undefined ? [] : [{ key: 'return_value' }]
    return json({ xcom_entries: entries, total_entries: entries.length })
  })
}

function resultOf(db: Db, params: Params, record: RunRecord, task: string): unknown {
  const done = record.instances.get(task)?.state === 'success'
  return done ? db.dag(params.dag ?? '')?.tasks.find((each) => each.id === params.task)?.result : undefined
}

function events(db: Db, _: Params, request: Request): Response {
  return eventStream(request, (send) => {
    const listener = (hint: object) => send(`data: ${JSON.stringify(hint)}\n\n`)
    db.listeners.add(listener)
    return () => db.listeners.delete(listener)
  })
}

function logStream(db: Db, params: Params, request: Request, url: URL): Response | Promise<Response> {
  return withTask(db, params, url, (record, task) => {
    const instance = record.instances.get(task)
    return eventStream(request, (send) => {
      const line = (each: object) => send(`event: line\ndata: ${JSON.stringify(each)}\n\n`)
      record.attempts.get(task)?.[Number(params.try) - 1]?.log.forEach(line)
      const listener: Parameters<typeof db.logListeners.add>[0] = (of, each) => {
        if (of !== instance) return
        if (each === null) send('event: end\ndata: {}\n\n')
        else line(each)
      }
      db.logListeners.add(listener)
      return () => db.logListeners.delete(listener)
    })
  })
}

function eventStream(request: Request, start: (send: (text: string) => void) => () => void): Response {
  const encoder = new TextEncoder()
  let stop: (() => void) | undefined
  const body = new ReadableStream({
    start: (controller) => {
      controller.enqueue(encoder.encode(': hello\n\n'))
      stop = start((text) => controller.enqueue(encoder.encode(text)))
      request.signal.addEventListener('abort', () => stop?.())
    },
    cancel: () => stop?.(),
  })
  return new Response(body, { headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' } })
}

type Found = Response | Promise<Response>

function withDag(db: Db, params: Params, then: (dag: NonNullable<ReturnType<Db['dag']>>) => Found): Found {
  const dag = db.dag(params.dag ?? '')
  return dag === undefined ? problem(404, `The Dag with ID: \`${params.dag}\` was not found`) : then(dag)
}

function withPool(db: Db, params: Params, then: (pool: Schemas['PoolResponse']) => Found): Found {
  const pool = db.pools.find((each) => each.name === params.pool)
  return pool === undefined ? problem(404, `The Pool with name: \`${params.pool}\` was not found`) : then(pool)
}

function withRun(db: Db, params: Params, then: (record: RunRecord) => Found): Found {
  const record = db.record(params.dag ?? '', params.run ?? '')
  return record === undefined ? problem(404, `The DagRun with run_id: \`${params.run}\` was not found`) : then(record)
}

/** `then` is given the key of the instance: the mapped one that the path or the query names, or the task itself. */
function withTask(db: Db, params: Params, url: URL, then: (record: RunRecord, task: string) => Found): Found {
  const map = Number(params.map ?? url.searchParams.get('map_index') ?? -1)
  const key = instanceKey(params.task ?? '', map)
  return withRun(db, params, (record) => {
    if (record.instances.has(key)) return then(record, key)
    if (record.instances.has(instanceKey(params.task ?? '', 0))) return problem(404, 'Task instance is mapped, add the map_index value to the URL')
    return problem(404, `The Task Instance \`${params.task}\` was not found`)
  })
}

function running(db: Db, dagId: string): number {
  return (db.runs.get(dagId) ?? []).filter(({ run }) => run.state === 'running' || run.state === 'queued').length
}

function paged<T>(list: T[], url: URL): T[] {
  const offset = Number(url.searchParams.get('offset') ?? 0)
  return list.slice(offset, offset + Number(url.searchParams.get('limit') ?? 50))
}
