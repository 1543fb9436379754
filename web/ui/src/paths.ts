/**
 * The only maker of URLs: a link is `<Link {...paths.run(dagId, runId)}>`, and the router checks it against its tree.
 */
export const paths = {
  login: (to?: string) => ({ to: '/login', search: to === undefined ? {} : { to } }) as const,
  dags: () => ({ to: '/dags' }) as const,
  importErrors: () => ({ to: '/import-errors' }) as const,
  pools: () => ({ to: '/pools' }) as const,
  dag: (dagId: string) => ({ to: '/dags/$dagId', params: { dagId } }) as const,
  run: (dagId: string, runId: string) => ({ to: '/dags/$dagId/runs/$runId', params: { dagId, runId } }) as const,
  task: (dagId: string, runId: string, taskId: string) =>
    ({ to: '/dags/$dagId/runs/$runId/tasks/$taskId', params: { dagId, runId, taskId } }) as const,
}

const part = encodeURIComponent

/** The server's streams: an `EventSource` takes a URL, not a call of the typed client. */
export const streams = {
  events: () => '/api/v2/updraft/events',
  log: (dagId: string, runId: string, taskId: string, tryNumber: number) =>
    `/api/v2/updraft/dags/${part(dagId)}/dagRuns/${part(runId)}/taskInstances/${part(taskId)}/logs/${tryNumber}/stream`,
}
