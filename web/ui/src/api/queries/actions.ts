import { keepPreviousData, queryOptions, useMutation, useQueryClient, type QueryClient } from '@tanstack/react-query'
import { answer, client } from '../client'
import { keys } from '../keys'
import type { AffectedInstance, DagRun, MarkedState, Relatives, TaskInstance, TaskRef } from '../model'

/** Task instances that are to run again. */
export interface ClearTasks {
  dagId: string
  runId: string
  tasks: TaskRef[]
  relatives: Relatives
  onlyFailed: boolean
  /** Undefined: as the DAG says (`rerun_with_latest_version`). */
  latestVersion: boolean | undefined
}

/** A whole run that is to run again. */
export interface ClearRun {
  dagId: string
  runId: string
  scope: 'everything' | 'failed' | 'new'
  /** Undefined: as the DAG says (`rerun_with_latest_version`). */
  latestVersion: boolean | undefined
}

/** A task that gets its end state by hand. */
export interface MarkTask {
  dagId: string
  runId: string
  task: TaskRef
  state: MarkedState
  relatives: Relatives
}

/** What clearing would touch; asked for anew each time, because states move on. */
export function clearTasksPreview(clear: ClearTasks) {
  return queryOptions({ ...PREVIEW, queryKey: previewKey(clear.dagId, clear.runId, 'clear', clear), queryFn: (): Promise<AffectedInstance[]> => postClear(clear, true) })
}

export function clearRunPreview(clear: ClearRun, run: DagRun) {
  return queryOptions({
    ...PREVIEW,
    queryKey: previewKey(clear.dagId, clear.runId, 'clear-run', clear),
    queryFn: async (): Promise<AffectedInstance[]> => {
      const reply = await postClearRun(clear, true)
      return 'task_instances' in reply ? reply.task_instances.map((each) => ('dag_run_id' in each ? each : newInstance(each.task_id, run))) : []
    },
  })
}

export function markTaskPreview(mark: MarkTask) {
  return queryOptions({ ...PREVIEW, queryKey: previewKey(mark.dagId, mark.runId, 'mark', mark), queryFn: (): Promise<AffectedInstance[]> => patchTask(mark, true) })
}

export function useClearTasks() {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (clear: ClearTasks) => postClear(clear, false),
    onSettled: (_, __, { dagId }) => staleDag(queries, dagId),
  })
}

export function useClearRun() {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (clear: ClearRun) => postClearRun(clear, false),
    onSettled: (_, __, { dagId }) => staleDag(queries, dagId),
  })
}

export function useMarkTask() {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (mark: MarkTask) => patchTask(mark, false),
    onSettled: (_, __, { dagId }) => staleDag(queries, dagId),
  })
}

export function useDeleteRun(dagId: string, runId: string) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: () =>
      answer(client.DELETE('/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}', { params: { path: { dag_id: dagId, dag_run_id: runId } } })),
    // The run itself is not asked for again: it is gone, and its page is left.
    onSuccess: () =>
      Promise.all([
        queries.invalidateQueries({ queryKey: keys.dagRuns(dagId) }),
        queries.invalidateQueries({ queryKey: keys.dagList }),
      ]),
  })
}

/** What the run does not have yet: a task that only the newest version of the DAG has. */
function newInstance(taskId: string, { dag_run_id, logical_date, run_after }: DagRun): AffectedInstance {
  return { dag_run_id, logical_date, run_after, task_id: taskId, map_index: -1, rendered_map_index: null, state: null }
}

const PREVIEW = { staleTime: 0, gcTime: 0, placeholderData: keepPreviousData, retry: false } as const

/** Under the run's own key: a change of one of its tasks makes a preview stale too. */
function previewKey(dagId: string, runId: string, kind: string, action: object) {
  return [...keys.runTasks(dagId, runId), kind, action] as const
}

async function postClear(clear: ClearTasks, dryRun: boolean): Promise<TaskInstance[]> {
  const reply = await answer(
    client.POST('/api/v2/dags/{dag_id}/clearTaskInstances', {
      params: { path: { dag_id: clear.dagId } },
      body: {
        dry_run: dryRun,
        dag_run_id: clear.runId,
        task_ids: clear.tasks,
        only_failed: clear.onlyFailed,
        run_on_latest_version: clear.latestVersion,
        ...clear.relatives,
      },
    }),
  )
  return reply.task_instances
}

function postClearRun({ dagId, runId, scope, latestVersion }: ClearRun, dryRun: boolean) {
  const body = {
    dry_run: dryRun,
    only_failed: scope === 'failed',
    only_new: scope === 'new',
    run_on_latest_version: latestVersion,
  }
  return answer(
    client.POST('/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/clear', {
      params: { path: { dag_id: dagId, dag_run_id: runId } },
      body,
    }),
  )
}

async function patchTask({ dagId, runId, task, state, relatives }: MarkTask, dryRun: boolean): Promise<TaskInstance[]> {
  const body = { new_state: state, ...relatives }
  const run = { dag_id: dagId, dag_run_id: runId }
  const TI = '/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}'
  if (typeof task === 'string') {
    const request = { params: { path: { ...run, task_id: task } }, body }
    return (await answer(dryRun ? client.PATCH(`${TI}/dry_run`, request) : client.PATCH(TI, request))).task_instances
  }
  const [taskId, mapIndex] = task
  const request = { params: { path: { ...run, task_id: taskId, map_index: mapIndex } }, body }
  const call = dryRun ? client.PATCH(`${TI}/{map_index}/dry_run`, request) : client.PATCH(`${TI}/{map_index}`, request)
  return (await answer(call)).task_instances
}

/** Past and future runs may have changed with it. */
function staleDag(queries: QueryClient, dagId: string): Promise<unknown> {
  return Promise.all([
    queries.invalidateQueries({ queryKey: keys.runsOf(dagId) }),
    queries.invalidateQueries({ queryKey: keys.dagRuns(dagId) }),
    queries.invalidateQueries({ queryKey: keys.dagList }),
  ])
}
