import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query'
import { answer, client } from '../client'
import { keys } from '../keys'
import type { InstanceName } from './tasks'

const TI = '/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}'

/** A task that is marked or cleared asks no more, and no event tells that of all tasks. */
const REFRESH_MS = 30_000

const LISTED_MAX = 100

/** What waits for a person: the oldest questions, and how many there are. */
export const requiredActionsQuery = queryOptions({
  queryKey: keys.hitlDetails,
  queryFn: () =>
    answer(
      client.GET('/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/hitlDetails', {
        params: {
          path: { dag_id: '~', dag_run_id: '~' },
          query: { response_received: false, state: ['awaiting_input'], order_by: ['created_at'], limit: LISTED_MAX },
        },
      }),
    ),
  refetchInterval: REFRESH_MS,
})

/** What a task instance asks, and what was answered; null while it has asked nothing. */
export function hitlDetailQuery(name: InstanceName) {
  return queryOptions({
    queryKey: [...keys.task(name.dag_id, name.dag_run_id, name.task_id), name.map_index, 'hitl'],
    queryFn: async () => {
      const call = client.GET(`${TI}/{map_index}/hitlDetails`, { params: { path: path(name) } })
      return (await call).response.status === 404 ? null : answer(call)
    },
  })
}

export interface Response {
  chosen: string[]
  params: Record<string, unknown>
}

export function useRespond(name: InstanceName) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: ({ chosen, params }: Response) =>
      answer(
        client.PATCH(`${TI}/{map_index}/hitlDetails`, {
          params: { path: path(name) },
          body: { chosen_options: chosen, params_input: params },
        }),
      ),
    onSettled: () =>
      Promise.all([
        queries.invalidateQueries({ queryKey: keys.hitlDetails }),
        queries.invalidateQueries({ queryKey: keys.task(name.dag_id, name.dag_run_id, name.task_id) }),
      ]),
  })
}

/** Where a task leads to: the run that it made, here or on Databricks. */
export function extraLinksQuery(name: InstanceName) {
  return queryOptions({
    queryKey: [...keys.task(name.dag_id, name.dag_run_id, name.task_id), name.map_index, 'links'],
    queryFn: () => {
      const { map_index, ...rest } = path(name)
      return answer(client.GET(`${TI}/links`, { params: { path: rest, query: { map_index } } }))
    },
    select: (page) => Object.entries(page.extra_links),
  })
}

function path({ dag_id, dag_run_id, task_id, map_index }: InstanceName) {
  return { dag_id, dag_run_id, task_id, map_index }
}
