import { keepPreviousData, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query'
import { answer, client } from '../client'
import { keys } from '../keys'
import type { BackfillBody } from '../model'

export const BACKFILLS_PER_PAGE = 25

export interface BackfillFilter {
  /** Those of all DAGs when absent. */
  dagId?: string
  /** From zero. */
  page: number
}

/** Backfills with how far each is, newest first. */
export function backfillsQuery(filter: BackfillFilter) {
  return queryOptions({
    queryKey: [...keys.backfills, filter],
    queryFn: () =>
      answer(
        client.GET('/api/v2/updraft/backfills', {
          params: { query: { dag_id: filter.dagId, limit: BACKFILLS_PER_PAGE, offset: filter.page * BACKFILLS_PER_PAGE } },
        }),
      ),
    placeholderData: keepPreviousData,
  })
}

/**
 * The dates that a backfill would run, in its order. No change of a run makes it stale: the server looks through all dates
 * for it, and what counts is looked at once more when the backfill is made.
 */
export function backfillPreview(body: BackfillBody) {
  return queryOptions({
    queryKey: ['backfill-preview', body],
    queryFn: async () => {
      const reply = await answer(client.POST('/api/v2/backfills/dry_run', { body }))
      return reply.backfills.flatMap((each) => each.logical_date ?? [])
    },
    staleTime: 0,
    gcTime: 0,
    placeholderData: keepPreviousData,
    retry: false,
  })
}

export function useCreateBackfill() {
  return useBackfillChange((body: BackfillBody) => client.POST('/api/v2/backfills', { body }))
}

export function usePauseBackfill(id: number) {
  const params = { path: { backfill_id: id } }
  return useBackfillChange((isPaused: boolean) =>
    isPaused ? client.PUT('/api/v2/backfills/{backfill_id}/pause', { params }) : client.PUT('/api/v2/backfills/{backfill_id}/unpause', { params }),
  )
}

/** Fails the runs that have not begun, and ends the backfill. */
export function useCancelBackfill(id: number) {
  return useBackfillChange(() => client.PUT('/api/v2/backfills/{backfill_id}/cancel', { params: { path: { backfill_id: id } } }))
}

function useBackfillChange<B>(change: (body: B) => Parameters<typeof answer>[0]) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (body: B) => answer(change(body)),
    // The list of DAGs, and backfills with it; the runs themselves are told of by events.
    onSettled: () => queries.invalidateQueries({ queryKey: keys.dagList }),
  })
}
