import { keepPreviousData, queryOptions, useMutation, useQueryClient, type QueryClient } from '@tanstack/react-query'
import { answer, client } from '../client'
import { keys } from '../keys'
import type { RunState, RunType, TaskInstance, TriggerBody } from '../model'

export const RUNS_PER_PAGE = 25

export interface RunFilter {
  state?: RunState
  type?: RunType
  /** From zero. */
  page: number
  limit?: number
}

export function dagRunsQuery(dagId: string, filter: RunFilter) {
  const limit = filter.limit ?? RUNS_PER_PAGE
  return queryOptions({
    queryKey: [...keys.dagRuns(dagId), filter],
    queryFn: () =>
      answer(
        client.GET('/api/v2/dags/{dag_id}/dagRuns', {
          params: {
            path: { dag_id: dagId },
            query: {
              limit,
              offset: filter.page * limit,
              order_by: ['-run_after'],
              state: filter.state === undefined ? undefined : [filter.state],
              run_type: filter.type === undefined ? undefined : [filter.type],
            },
          },
        }),
      ),
    placeholderData: keepPreviousData,
  })
}

/** The last runs of a DAG side by side, task by task. */
export function gridQuery(dagId: string, limit: number) {
  return queryOptions({
    queryKey: [...keys.dagGrid(dagId), limit],
    queryFn: () => answer(client.GET('/api/v2/updraft/dags/{dag_id}/grid', { params: { path: { dag_id: dagId }, query: { limit } } })),
    placeholderData: keepPreviousData,
  })
}

export function runQuery(dagId: string, runId: string) {
  return queryOptions({
    queryKey: [...keys.run(dagId, runId), 'run'],
    queryFn: () =>
      answer(
        client.GET('/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}', {
          params: { path: { dag_id: dagId, dag_run_id: runId } },
        }),
      ),
  })
}

const TASKS_PER_REQUEST = 100

/** All task instances of a run, or of one of its tasks: the API gives a hundred at a time. */
export async function instancesOf(dagId: string, runId: string, taskId?: string): Promise<TaskInstance[]> {
  const page = (offset: number) =>
    answer(
      client.GET('/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances', {
        params: {
          path: { dag_id: dagId, dag_run_id: runId },
          query: { limit: TASKS_PER_REQUEST, offset, task_id: taskId },
        },
      }),
    )
  const first = await page(0)
  const total = first.total_entries ?? first.task_instances.length
  const offsets = []
  for (let offset = TASKS_PER_REQUEST; offset < total; offset += TASKS_PER_REQUEST) offsets.push(offset)
  const rest = await Promise.all(offsets.map(page))
  return [first, ...rest].flatMap((each) => each.task_instances)
}

export function runTasksQuery(dagId: string, runId: string) {
  return queryOptions({ queryKey: keys.runTasks(dagId, runId), queryFn: () => instancesOf(dagId, runId) })
}

export function useTriggerRun(dagId: string) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (body: TriggerBody) =>
      answer(client.POST('/api/v2/dags/{dag_id}/dagRuns', { params: { path: { dag_id: dagId } }, body })),
    onSuccess: () =>
      Promise.all([
        queries.invalidateQueries({ queryKey: keys.dagList }),
        queries.invalidateQueries({ queryKey: keys.dagRuns(dagId) }),
      ]),
  })
}

/** Ends a run by hand. */
export function useMarkRun(dagId: string, runId: string) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (state: 'success' | 'failed') =>
      answer(
        client.PATCH('/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}', {
          params: { path: { dag_id: dagId, dag_run_id: runId } },
          body: { state },
        }),
      ),
    onSettled: () => staleRun(queries, dagId, runId),
  })
}

/** What belongs to a run and to its place in lists. */
export function staleRun(queries: QueryClient, dagId: string, runId: string): Promise<unknown> {
  return Promise.all([
    queries.invalidateQueries({ queryKey: keys.run(dagId, runId) }),
    queries.invalidateQueries({ queryKey: keys.dagRuns(dagId) }),
    queries.invalidateQueries({ queryKey: keys.dagList }),
  ])
}
