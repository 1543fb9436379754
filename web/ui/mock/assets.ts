import type { components } from '../src/api/schema.gen'
import type { Db, RunRecord } from './db'
import { json, problem } from './replies'

type Schemas = components['schemas']
type Event = Schemas['AssetEventResponse']

const KNOWN = new Date(Date.now() - 40 * 86_400_000).toISOString()

interface MockAsset {
  id: number
  name: string
  uri: string
  extra: Record<string, unknown>
  madeBy: [dag: string, task: string][]
  starts: string[]
  readBy: [dag: string, task: string][]
}

/** What the DAGs of the mock make and wait for. */
const ASSETS: MockAsset[] = [
  { id: 1, name: 'customers', uri: 's3://lake/customers', extra: { owner: 'sales' }, madeBy: [], starts: ['weekly_digest'], readBy: [['weekly_digest', 'join']] },
  { id: 2, name: 'file://exports/prices.csv', uri: 'file://exports/prices.csv', extra: {}, madeBy: [['flaky_import', 'publish'], ['monthly_invoice', 'send']], starts: [], readBy: [] },
  { id: 3, name: 'orders', uri: 's3://lake/orders', extra: {}, madeBy: [['warehouse.orders_hourly', 'load']], starts: ['weekly_digest'], readBy: [['weekly_digest', 'join'], ['sales_report', 'start']] },
]

/** The events of the assets, and what is queued for DAGs that wait. */
export class AssetBook {
  private readonly events: Event[] = []
  private readonly queued = new Map<string, string>()

  constructor(private readonly db: Db) {
    const runs = [...(db.runs.get('warehouse.orders_hourly') ?? [])].reverse()
    for (const record of runs) if (record.run.state === 'success') this.addEvent(3, record.run.end_date ?? KNOWN, record)
    const digest = db.runs.get('weekly_digest')?.[0]
    if (digest !== undefined) this.addEvent(1, digest.run.run_after, undefined, digest)
    this.queued.set('weekly_digest 3', this.events.find((event) => event.asset_id === 3)?.timestamp ?? KNOWN)
    this.queued.delete('weekly_digest 1')
  }

  list(url: URL): Response {
    const pattern = url.searchParams.get('name_pattern')?.toLowerCase() ?? ''
    const found = ASSETS.filter((asset) => asset.name.toLowerCase().includes(pattern))
    return json({ assets: found.map((asset) => this.view(asset)), total_entries: found.length })
  }

  one(id: string): Response {
    return this.with(id, (asset) => json(this.view(asset)))
  }

  eventsOf(url: URL): Response {
    const id = Number(url.searchParams.get('asset_id'))
    const found = this.events.filter((event) => event.asset_id === id)
    const offset = Number(url.searchParams.get('offset') ?? 0)
    return json({ asset_events: found.slice(offset, offset + Number(url.searchParams.get('limit') ?? 50)), total_entries: found.length })
  }

  async record(request: Request): Promise<Response> {
    const { asset_id } = (await request.json()) as Schemas['CreateAssetEventsBody']
    return this.with(String(asset_id), () => json(this.addEvent(asset_id, new Date().toISOString())))
  }

  materialize(id: string): Response {
    return this.with(id, (asset) => {
      const dag = this.db.dag(asset.madeBy[0]?.[0] ?? '')
      if (dag === undefined) return problem(404, `No DAG makes the asset \`${asset.name}\``)
      if (asset.madeBy.length > 1) return problem(409, 'Several DAGs make it')
      const run = this.db.trigger(dag, { logical_date: null })
      run.run_type = 'asset_materialization'
      this.addEvent(asset.id, new Date().toISOString(), this.db.record(dag.id, run.dag_run_id))
      return json(run)
    })
  }

  queueOf(id: string): Response {
    const found = [...this.queued].filter(([key]) => key.endsWith(` ${id}`))
    if (found.length === 0) return problem(404, `Queue event with asset_id: \`${id}\` was not found`)
    const queued_events = found.map(([key, created_at]) => {
      const dag = key.split(' ')[0] ?? ''
      return { dag_id: dag, asset_id: Number(id), created_at, dag_display_name: dag }
    })
    return json({ queued_events, total_entries: queued_events.length })
  }

  forget(dag: string, id: string): Response {
    this.queued.delete(`${dag} ${id}`)
    this.db.tell({ kind: 'asset' })
    return new Response(null, { status: 204 })
  }

  awaitedBy(dag: string): Schemas['DagAssetsResponse'] {
    const assets = ASSETS.filter((asset) => asset.starts.includes(dag)).map(({ id, name, uri }) => ({
      asset_id: id, name, uri, queued_at: this.queued.get(`${dag} ${id}`) ?? null, last_event_at: this.lastOf(id)?.timestamp ?? null,
    }))
    return { expression: assets.length === 0 ? null : assets.map((asset) => asset.name).join(' and '), is_met: assets.every((asset) => asset.queued_at !== null), assets, unresolved_aliases: [] }
  }

  upstreamOf(record: RunRecord): Response {
    const found = this.events.filter((event) => event.created_dagruns.some((run) => run.run_id === record.run.dag_run_id))
    return json({ asset_events: found, total_entries: found.length })
  }

  private addEvent(asset_id: number, timestamp: string, source?: RunRecord, made?: RunRecord): Event {
    const asset = ASSETS.find((each) => each.id === asset_id)
    const event: Event = {
      id: this.events.length + 1, asset_id, uri: asset?.uri ?? '', name: asset?.name ?? '', group: 'asset',
      extra: source === undefined ? { from_rest_api: true } : { rows: 812 }, source_dag_id: source?.run.dag_id ?? null, source_run_id: source?.run.dag_run_id ?? null,
      source_task_id: source === undefined ? null : (asset?.madeBy[0]?.[1] ?? null), source_map_index: -1, timestamp, partition_key: null,
      created_dagruns: made === undefined ? [] : [{
        run_id: made.run.dag_run_id, dag_id: made.run.dag_id, logical_date: made.run.logical_date, start_date: made.run.run_after,
        end_date: made.run.end_date, state: made.run.state, data_interval_start: null, data_interval_end: null, partition_key: null, triggering: true,
      }],
    }
    this.events.unshift(event)
    for (const dag of asset?.starts ?? []) this.queued.set(`${dag} ${asset_id}`, timestamp)
    this.db.tell({ kind: 'asset' })
    return event
  }

  private lastOf(id: number): Event | undefined {
    return this.events.find((event) => event.asset_id === id)
  }

  private with(id: string, then: (asset: MockAsset) => Response): Response {
    const asset = ASSETS.find((each) => String(each.id) === id)
    return asset === undefined ? problem(404, `The Asset with ID: \`${id}\` was not found`) : then(asset)
  }

  private view({ id, name, uri, extra, madeBy, starts, readBy }: MockAsset): Schemas['AssetResponse'] {
    const dated = { created_at: KNOWN, updated_at: KNOWN }
    const task = ([dag_id, task_id]: [string, string]) => ({ dag_id, task_id, ...dated })
    const last = this.lastOf(id)
    return {
      id, name, uri, group: 'asset', extra, ...dated, aliases: [], watchers: [],
      scheduled_dags: starts.map((dag_id) => ({ dag_id, ...dated })), producing_tasks: madeBy.map(task), consuming_tasks: readBy.map(task),
      last_asset_event: { id: last?.id ?? null, timestamp: last?.timestamp ?? null },
    }
  }
}
