import type { components } from '../src/api/schema.gen'
import { groupOf } from '../src/components/tasks/tree'
import type { Run } from './db'
import type { MockDag, MockTask } from './fixtures'

type Schemas = components['schemas']

const PARSED = new Date(Date.now() - 3_600_000).toISOString()

/** A DAG as the API gives it. */
export function dagView(dag: MockDag): Schemas['DAGResponse'] {
  const next = dag.cron === null ? null : nextTimes(dag, 1)[0]
  return {
    dag_id: dag.id, dag_display_name: dag.name ?? dag.id, is_paused: dag.paused, is_stale: false, last_parsed_time: PARSED,
    last_parse_duration: 0.001, last_expired: null, bundle_name: 'dags-folder', bundle_version: null,
    relative_fileloc: `${dag.id}.yaml`, fileloc: `/srv/updraft/dags/${dag.id}.yaml`, description: dag.description,
    timetable_summary: dag.assets === true ? 'Asset' : dag.cron, timetable_description: dag.words, timetable_partitioned: false,
    timetable_periodic: dag.cron !== null, tags: dag.tags.map((name) => ({ name, dag_id: dag.id, dag_display_name: dag.id })),
    max_active_tasks: 16, max_active_runs: 16, max_consecutive_failed_dag_runs: 0, has_task_concurrency_limits: false,
    has_import_errors: false, next_dagrun_logical_date: next ?? null, next_dagrun_data_interval_start: next ?? null,
    next_dagrun_data_interval_end: next ?? null, next_dagrun_run_after: dag.paused ? null : (next ?? null),
    allowed_run_types: dag.runTypes ?? null, owners: dag.owners ?? ['data'], is_backfillable: dag.cron !== null, file_token: 'token',
  }
}

export function detailsView(dag: MockDag, active: number): Schemas['DAGDetailsResponse'] {
  return {
    ...dagView(dag), catchup: false, dag_run_timeout: null, asset_expression: dag.assets === true ? { all: [{ asset: { name: 'orders', uri: 's3://lake/orders', group: 'asset' } }, { asset: { name: 'customers', uri: 's3://lake/customers', group: 'asset' } }] } : null, doc_md: null,
    start_date: '2026-01-01T00:00:00Z', end_date: null, is_paused_upon_creation: null, params: dag.params,
    render_template_as_native_obj: false, template_search_path: null, timezone: dag.timezone, last_parsed: PARSED,
    default_args: { owner: 'data', retries: 1, retry_delay: '2s' }, active_runs_count: active, rerun_with_latest_version: null, owner_links: dag.ownerLinks ?? null, is_favorite: dag.favorite === true, concurrency: 16,
    latest_dag_version: {
      id: '019a0000-0000-7000-8000-000000000000', version_number: 3, dag_id: dag.id, bundle_name: 'dags-folder',
      bundle_version: null, created_at: PARSED, dag_display_name: dag.id, bundle_url: null,
    },
  }
}

export function rowView(dag: MockDag, runs: Run[]): Schemas['UpdraftDagResponse'] {
  return { ...dagView(dag), recent_runs: runs, timezone: dag.timezone, is_favorite: dag.favorite === true }
}

export function taskView(dag: MockDag, task: MockTask): Schemas['TaskResponse'] {
  return {
    task_id: task.id, task_display_name: task.id, owner: 'data', start_date: null, end_date: null, trigger_rule: 'all_success',
    depends_on_past: false, wait_for_downstream: false, retries: task.retries ?? 0, queue: 'default', pool: 'default_pool',
    pool_slots: 1, execution_timeout: null, retry_delay: { __type: 'TimeDelta', days: 0, seconds: 2, microseconds: 0 },
    retry_exponential_backoff: 0, priority_weight: 1, weight_rule: 'downstream', ui_color: null, ui_fgcolor: null,
    template_fields: [], downstream_task_ids: dag.tasks.filter((each) => each.after.includes(task.id)).map((each) => each.id),
    doc_md: null, operator_name: task.operator, params: {}, class_ref: {}, is_mapped: task.mapped !== undefined, extra_links: [],
    task_group_id: groupOf(task.id) || null,
  }
}

/** The groups around the tasks of a DAG. */
export function groupsView(dag: MockDag): Schemas['TaskGroupResponse'][] {
  const groups = new Set<string>()
  for (const { id } of dag.tasks) for (let group = groupOf(id); group !== ''; group = groupOf(group)) groups.add(group)
  return [...groups].sort().map((id) => ({
    group_id: id, group_display_name: dag.groupNames?.[id] ?? null, parent_group_id: groupOf(id) || null, tooltip: null,
  }))
}

/** How far the dates of a schedule are apart. */
export function stepOf(dag: MockDag): number {
  return dag.cron?.startsWith('*/15') ? 900_000 : dag.cron?.startsWith('5 ') ? 3_600_000 : 86_400_000
}

/** The next times of the few schedules that the fixtures have; UTC is near enough here. */
export function nextTimes(dag: MockDag, count: number): string[] {
  const step = stepOf(dag)
  const offset = dag.cron?.startsWith('5 ') ? 300_000 : dag.cron?.startsWith('0 6') ? 11 * 3_600_000 : 0
  const first = (Math.floor((Date.now() - offset) / step) + 1) * step + offset
  return Array.from({ length: count }, (_, place) => new Date(first + place * step).toISOString())
}
