import type { components, paths } from './schema.gen'

/**
 * The operations that clear, mark and delete, as Airflow 3 has them. They are written down here by hand until the
 * server's own document names them; then the generated client has them, and this file goes.
 */
type Schemas = components['schemas']

/** A task of the run, or one instance of a mapped task. */
export type TaskRef = string | [taskId: string, mapIndex: number]

export interface Relatives {
  include_upstream?: boolean
  include_downstream?: boolean
  include_past?: boolean
  include_future?: boolean
}

export interface ClearTasksBody extends Relatives {
  dry_run?: boolean
  only_failed?: boolean
  task_ids?: TaskRef[] | null
  dag_run_id?: string | null
  run_on_latest_version?: boolean | null
}

export interface ClearRunBody {
  dry_run?: boolean
  only_failed?: boolean
  only_new?: boolean
  run_on_latest_version?: boolean | null
}

export type MarkedState = 'success' | 'failed' | 'skipped'

export interface MarkTaskBody extends Relatives {
  new_state?: MarkedState | null
}

interface Operation<Path, Body, Answer> {
  parameters: { query?: never; header?: never; path: Path; cookie?: never }
  requestBody: { content: { 'application/json': Body } }
  responses: { 200: { headers: Record<string, unknown>; content: { 'application/json': Answer } } }
}

interface Deletion<Path> {
  parameters: { query?: never; header?: never; path: Path; cookie?: never }
  requestBody?: never
  responses: { 204: { headers: Record<string, unknown>; content?: never } }
}

interface RunPath {
  dag_id: string
  dag_run_id: string
}
type TaskPath = RunPath & { task_id: string }
type MappedPath = TaskPath & { map_index: number }
type Instances = Schemas['TaskInstanceCollectionResponse']

type Run = '/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}'
type Task = `${Run}/taskInstances/{task_id}`
type Mapped = `${Task}/{map_index}`

type Added = {
  [Path in '/api/v2/dags/{dag_id}/clearTaskInstances']: { post: Operation<{ dag_id: string }, ClearTasksBody, Instances> }
} & { [Path in `${Run}/clear`]: { post: Operation<RunPath, ClearRunBody, Instances | Schemas['DAGRunResponse']> } } & {
  [Path in Run]: Omit<paths[Run], 'delete'> & { delete: Deletion<RunPath> }
} & { [Path in Task]: Omit<paths[Task], 'patch'> & { patch: Operation<TaskPath, MarkTaskBody, Instances> } } & {
  [Path in Mapped]: Omit<paths[Mapped], 'patch'> & { patch: Operation<MappedPath, MarkTaskBody, Instances> }
} & { [Path in `${Task}/dry_run`]: { patch: Operation<TaskPath, MarkTaskBody, Instances> } } & {
  [Path in `${Mapped}/dry_run`]: { patch: Operation<MappedPath, MarkTaskBody, Instances> }
}

export type AllPaths = Omit<paths, keyof Added> & Added
