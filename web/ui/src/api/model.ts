import type { components } from './schema.gen'

type Schemas = components['schemas']

/** A DAG as the list shows it: with its last runs. */
export type DagRow = Schemas['UpdraftDagResponse']
export type Dag = Schemas['DAGResponse']
export type DagDetails = Schemas['DAGDetailsResponse']
export type Task = Schemas['TaskResponse']
export type TaskGroup = Schemas['TaskGroupResponse']
export type DagRun = Schemas['DAGRunResponse']
export type TaskInstance = Schemas['TaskInstanceResponse']
/** What is shown of an instance that an action touches; also of one that is yet to be made. */
export type AffectedInstance = Pick<TaskInstance, 'dag_run_id' | 'logical_date' | 'run_after' | 'task_id' | 'map_index' | 'rendered_map_index' | 'state'> & Partial<Pick<TaskInstance, 'task_display_name'>>
export type TaskTry = Schemas['TaskInstanceHistoryResponse']
export type Grid = Schemas['GridResponse']
/** A run as a column of the grid. */
export type GridRun = Schemas['GridRunResponse']
/** The task instances of a task of a run that are in one state. */
export type GridInstances = Schemas['GridCellResponse']
export type LogLine = Schemas['StructuredLogMessage']
export type ImportError = Schemas['ImportErrorResponse']
export type TriggerBody = Schemas['TriggerDAGRunPostBody']
export type Me = Schemas['MeResponse']
export type Pool = Schemas['PoolResponse']
export type PoolBody = Schemas['PoolBody']
export type Connection = Schemas['ConnectionResponse']
export type ConnectionBody = Schemas['ConnectionBody']
export type ConnectionType = Schemas['ConnectionTypeResponse']
export type ConnectionField = Schemas['ConnectionFieldResponse']
export type Variable = Schemas['VariableResponse']
export type VariableBody = Schemas['VariableBody']
export type Asset = Schemas['AssetResponse']
export type AssetEvent = Schemas['AssetEventResponse']
export type QueuedUpdate = Schemas['QueuedEventResponse']
/** What a DAG waits for beside the clock. */
export type DagAssets = Schemas['DagAssetsResponse']
/** What a task asks of people, and what was answered. */
export type HitlDetail = Schemas['HITLDetail']
export type Obstacle = Schemas['TaskDependencyResponse']
/** Runs for a range of dates, with how far they are. */
export type Backfill = Schemas['UpdraftBackfillResponse']
export type BackfillBody = Schemas['BackfillPostBody']

/** What was told to whom, or could not be. */
export type Callback = Schemas['CallbackResponse']
export type CallbackState = Callback['state']

/** A task of a run, or one instance of a mapped task as a pair. */
export type TaskRef = NonNullable<Schemas['ClearTaskInstancesBody']['task_ids']>[number]
/** Which relatives of a task go with it. */
export type Relatives = Pick<Schemas['PatchTaskInstanceBody'], 'include_upstream' | 'include_downstream' | 'include_past' | 'include_future'>
/** What a person may make of a task instance. */
export type MarkedState = Extract<Schemas['TaskInstanceState'], 'success' | 'failed' | 'skipped'>

export type RunState = Schemas['DagRunState']
export type RunType = Schemas['DagRunType']
/** `none` is our word for the null that the API gives before a task is scheduled. */
export type TaskState = Schemas['TaskInstanceState'] | 'none'

export function taskState(instance: { state: Schemas['TaskInstanceState'] | null }): TaskState {
  return instance.state ?? 'none'
}

const FINISHED: Record<TaskState, boolean> = {
  none: false,
  scheduled: false,
  queued: false,
  running: false,
  restarting: false,
  deferred: false,
  awaiting_input: false,
  up_for_retry: false,
  up_for_reschedule: false,
  success: true,
  failed: true,
  skipped: true,
  upstream_failed: true,
  removed: true,
}

/** True once the task will not change by itself any more. */
export function isTaskFinished(state: TaskState): boolean {
  return FINISHED[state]
}

/**
 * True while the latest try may still write to its log. A task that waits for another try, or was cleared, keeps the number of
 * the try that is over.
 */
export function isTryOpen(state: TaskState): boolean {
  return !isTaskFinished(state) && state !== 'up_for_retry' && state !== 'none'
}

export function isRunFinished(state: RunState): boolean {
  return state === 'success' || state === 'failed'
}

/** How actions name an instance: a mapped one goes with its index. */
export function taskRef({ task_id, map_index }: Pick<TaskInstance, 'task_id' | 'map_index'>): TaskRef {
  return map_index < 0 ? task_id : [task_id, map_index]
}
