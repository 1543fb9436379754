import { keepPreviousData, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query'
import { answer, client } from '../client'
import { keys } from '../keys'
import type { Callback, CallbackState } from '../model'

export const CALLBACKS_PER_PAGE = 25

/** Of one run at most so many are shown; the page of all callbacks has the rest. */
const OF_RUN_MAX = 100

/** What a run told, and what it still has to tell, newest first. */
export function runCallbacksQuery(dagId: string, runId: string) {
  return queryOptions({
    queryKey: [...keys.callbacks, dagId, runId],
    queryFn: () =>
      answer(client.GET('/api/v2/updraft/callbacks', { params: { query: { dag_id: dagId, dag_run_id: runId, limit: OF_RUN_MAX } } })),
  })
}

export interface CallbackFilter {
  /** Those in any state when absent. */
  state?: CallbackState
  /** From zero. */
  page: number
}

/** Callbacks of all DAGs, newest first. */
export function callbacksQuery({ state, page }: CallbackFilter) {
  return queryOptions({
    queryKey: [...keys.callbacks, { state, page }],
    queryFn: () =>
      answer(
        client.GET('/api/v2/updraft/callbacks', {
          params: { query: { state: state === undefined ? [] : [state], limit: CALLBACKS_PER_PAGE, offset: page * CALLBACKS_PER_PAGE } },
        }),
      ),
    placeholderData: keepPreviousData,
  })
}

/** Lets a callback be told again at once. */
export function useRetryCallback(id: Callback['id']) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: () => answer(client.POST('/api/v2/updraft/callbacks/{callback_id}/retry', { params: { path: { callback_id: id } } })),
    onSettled: () => queries.invalidateQueries({ queryKey: keys.callbacks }),
  })
}
