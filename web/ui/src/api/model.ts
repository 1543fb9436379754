import type { components } from './schema.gen'

type Schemas = components['schemas']

/** A DAG as the list shows it: with its last runs. */
export type DagRow = Schemas['UpdraftDagResponse']
export type Dag = Schemas['DAGResponse']
export type DagDetails = Schemas['DAGDetailsResponse']
export type Task = Schemas['TaskResponse']
export type DagRun = Schemas['DAGRunResponse']
export type TaskInstance = Schemas['TaskInstanceResponse']
export type TaskTry = Schemas['TaskInstanceHistoryResponse']
export type LogLine = Schemas['StructuredLogMessage']
export type ImportError = Schemas['ImportErrorResponse']
export type TriggerBody = Schemas['TriggerDAGRunPostBody']
export type Me = Schemas['MeResponse']
export type Pool = Schemas['PoolResponse']
export type PoolBody = Schemas['PoolBody']
export type Obstacle = Schemas['TaskDependencyResponse']

export type RunState = Schemas['DagRunState']
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

export function isRunFinished(state: RunState): boolean {
  return state === 'success' || state === 'failed'
}
