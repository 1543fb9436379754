import { keepPreviousData, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query'
import { answer, client, jsonAnswer } from '../client'
import { keys } from '../keys'
import type { RunState } from '../model'

/** How many last runs the list draws per DAG. */
export const RECENT_RUNS = 14
export const DAGS_PER_PAGE = 50

export interface DagFilter {
  search?: string
  tags?: string[]
  paused?: boolean
  lastState?: RunState
  /** Only the user's favourites. */
  favorite?: boolean
  /** From zero. */
  page: number
}

export function dagListQuery(filter: DagFilter) {
  return queryOptions({
    queryKey: [...keys.dagList, 'list', filter],
    queryFn: () =>
      answer(
        client.GET('/api/v2/updraft/dags', {
          params: {
            query: {
              limit: DAGS_PER_PAGE,
              offset: filter.page * DAGS_PER_PAGE,
              name_pattern: filter.search,
              tags: filter.tags,
              paused: filter.paused,
              last_dag_run_state: filter.lastState,
              is_favorite: filter.favorite,
              order_by: ['dag_id'],
              runs: RECENT_RUNS,
            },
          },
        }),
      ),
    placeholderData: keepPreviousData,
    // Without a first answer there is nothing to show but the error.
    throwOnError: (_, query) => query.state.data === undefined,
  })
}

/** How many DAGs there are of a kind, for the counts on the filters. */
export function dagCountQuery(filter: Pick<DagFilter, 'paused' | 'lastState'>) {
  return queryOptions({
    queryKey: [...keys.dagList, 'count', filter],
    queryFn: () =>
      answer(
        client.GET('/api/v2/updraft/dags', {
          params: { query: { limit: 0, paused: filter.paused, last_dag_run_state: filter.lastState } },
        }),
      ),
    select: (page) => page.total_entries,
    placeholderData: keepPreviousData,
  })
}

/** What is amiss with a DAG whose file is right: tasks that name pools which there are not. */
export function dagWarningsQuery(dagId: string) {
  return queryOptions({
    // A pool that is made mends it, and under the pools it is asked for anew then.
    queryKey: [...keys.pools, 'warnings', dagId],
    queryFn: () => answer(client.GET('/api/v2/dagWarnings', { params: { query: { dag_id: dagId } } })),
    select: (page) => page.dag_warnings,
  })
}

export function dagDetailsQuery(dagId: string) {
  return queryOptions({
    queryKey: [...keys.dag(dagId), 'details'],
    queryFn: () => answer(client.GET('/api/v2/dags/{dag_id}/details', { params: { path: { dag_id: dagId } } })),
  })
}

export function dagTasksQuery(dagId: string) {
  return queryOptions({
    queryKey: [...keys.dag(dagId), 'tasks'],
    queryFn: () => answer(client.GET('/api/v2/dags/{dag_id}/tasks', { params: { path: { dag_id: dagId } } })),
  })
}

export function dagSourceQuery(dagId: string) {
  return queryOptions({
    queryKey: [...keys.dag(dagId), 'source'],
    queryFn: () =>
      jsonAnswer(
        client.GET('/api/v2/dagSources/{dag_id}', {
          params: { path: { dag_id: dagId } },
          headers: { Accept: 'application/json' },
        }),
      ),
  })
}

export function nextRunsQuery(dagId: string, count = 10) {
  return queryOptions({
    queryKey: [...keys.dag(dagId), 'next', count],
    queryFn: () =>
      answer(
        client.GET('/api/v2/updraft/dags/{dag_id}/next', {
          params: { path: { dag_id: dagId }, query: { count } },
        }),
      ),
  })
}

export const importErrorsQuery = queryOptions({
  queryKey: keys.importErrors,
  queryFn: () => answer(client.GET('/api/v2/importErrors', { params: { query: { limit: 100 } } })),
})

/** Pauses a DAG or lets it run again. */
export function usePauseDag(dagId: string) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (isPaused: boolean) =>
      answer(
        client.PATCH('/api/v2/dags/{dag_id}', {
          params: { path: { dag_id: dagId } },
          body: { is_paused: isPaused },
        }),
      ),
    onSettled: () =>
      Promise.all([
        queries.invalidateQueries({ queryKey: keys.dagList }),
        queries.invalidateQueries({ queryKey: keys.dag(dagId) }),
      ]),
  })
}

/** Makes a DAG a favourite of the user, or none any more. */
export function useFavoriteDag(dagId: string) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (isFavorite: boolean) => {
      const params = { path: { dag_id: dagId } }
      return isFavorite
        ? answer(client.POST('/api/v2/dags/{dag_id}/favorite', { params }))
        : answer(client.POST('/api/v2/dags/{dag_id}/unfavorite', { params }))
    },
    onSettled: () =>
      Promise.all([
        queries.invalidateQueries({ queryKey: keys.dagList }),
        queries.invalidateQueries({ queryKey: keys.dag(dagId) }),
      ]),
  })
}
