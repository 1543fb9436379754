/**
 * Query keys, from the general to the particular: what holds of a prefix is stale when the prefix is.
 */
export const keys = {
  me: ['me'] as const,
  version: ['version'] as const,
  dagList: ['dags'] as const,
  /** Under the list of DAGs: what changes that list, a run that begins or ends, changes how far backfills are. */
  backfills: ['dags', 'backfills'] as const,
  importErrors: ['import-errors'] as const,
  /** What tasks ask of people, and nobody has answered. */
  hitlDetails: ['hitl-details'] as const,
  /** What was told to whom. */
  callbacks: ['callbacks'] as const,
  pools: ['pools'] as const,
  connections: ['connections'] as const,
  connectionTypes: ['connection-types'] as const,
  variables: ['variables'] as const,
  /** All that is known of assets, their events, and who waits for them. */
  assets: ['assets'] as const,
  dag: (dagId: string) => ['dag', dagId] as const,
  dagRuns: (dagId: string) => ['dag', dagId, 'runs'] as const,
  dagGrid: (dagId: string) => ['dag', dagId, 'runs', 'grid'] as const,
  /** All that is known of the DAG's runs and their tasks. */
  runsOf: (dagId: string) => ['run', dagId] as const,
  run: (dagId: string, runId: string) => ['run', dagId, runId] as const,
  runTasks: (dagId: string, runId: string) => ['run', dagId, runId, 'tasks'] as const,
  task: (dagId: string, runId: string, taskId: string) => ['run', dagId, runId, 'task', taskId] as const,
}
