import type { RunState } from './api/model'

/**
 * The only maker of URLs: a link is `<Link {...paths.run(dagId, runId)}>`, and the router checks it against its tree.
 */
export const paths = {
  login: (to?: string) => ({ to: '/login', search: to === undefined ? {} : { to } }) as const,
  dags: () => ({ to: '/dags' }) as const,
  importErrors: () => ({ to: '/import-errors' }) as const,
  requiredActions: () => ({ to: '/required-actions' }) as const,
  pools: () => ({ to: '/pools' }) as const,
  connections: () => ({ to: '/connections' }) as const,
  variables: () => ({ to: '/variables' }) as const,
  assets: () => ({ to: '/assets' }) as const,
  backfills: () => ({ to: '/backfills' }) as const,
  callbacks: () => ({ to: '/callbacks' }) as const,
  asset: (assetId: number) => ({ to: '/assets/$assetId', params: { assetId: String(assetId) } }) as const,
  dag: (dagId: string) => ({ to: '/dags/$dagId', params: { dagId } }) as const,
  /** The runs of a DAG that backfills made, those in one state. */
  backfillRuns: (dagId: string, state: RunState) => ({ ...paths.dag(dagId), search: { tab: 'runs', type: 'backfill', state } }) as const,
  dagBackfills: (dagId: string) => ({ ...paths.dag(dagId), search: { tab: 'backfills' } }) as const,
  run: (dagId: string, runId: string) => ({ to: '/dags/$dagId/runs/$runId', params: { dagId, runId } }) as const,
  task: (dagId: string, runId: string, taskId: string) =>
    ({ to: '/dags/$dagId/runs/$runId/tasks/$taskId', params: { dagId, runId, taskId } }) as const,
  /** One instance of a task: of a mapped task, that of its index. */
  instance: ({ dag_id, dag_run_id, task_id, map_index }: InstanceName) => ({
    ...paths.task(dag_id, dag_run_id, task_id),
    search: map_index < 0 ? {} : { map: map_index },
  }),
}

interface InstanceName {
  dag_id: string
  dag_run_id: string
  task_id: string
  map_index: number
}

const part = encodeURIComponent

/**
 * The same as plain text, for a grid of ten thousand links: there a `<Link>` each costs too much, and the grid hands
 * clicks on to the router.
 */
export const hrefs = {
  run: (dagId: string, runId: string) => `/dags/${part(dagId)}/runs/${part(runId)}`,
  task: (dagId: string, runId: string, taskId: string) => `${hrefs.run(dagId, runId)}/tasks/${part(taskId)}`,
}

/** Which page an address is of. A tab or a filter changes the page, and does not leave it. */
export function pageOf({ pathname, search }: { pathname: string; search: { map?: number } }): string {
  // By hand or from elsewhere an address comes in other spellings than ours: `/dags/`, or a run's id with its colons.
  const page = pathname.replace(/\/$/, '').split('/').map(ourSpelling).join('/')
  // Each instance of a mapped task has a page of its own.
  return search.map === undefined ? page : `${page}?map=${search.map}`
}

function ourSpelling(written: string): string {
  try {
    return part(decodeURIComponent(written))
  } catch {
    // A `%` that begins nothing stays as it is.
    return written
  }
}

/** The server's streams: an `EventSource` takes a URL, not a call of the typed client. */
export const streams = {
  events: () => '/api/v2/updraft/events',
  log: ({ dag_id, dag_run_id, task_id, map_index }: InstanceName, tryNumber: number) =>
    `/api/v2/updraft/dags/${part(dag_id)}/dagRuns/${part(dag_run_id)}/taskInstances/${part(task_id)}/logs/${tryNumber}/stream` +
    (map_index < 0 ? '' : `?map_index=${map_index}`),
}
