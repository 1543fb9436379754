import { keepPreviousData, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query'
import { answer, client } from '../client'
import { ApiError } from '../errors'
import { keys } from '../keys'

export const ASSETS_PER_PAGE = 50
export const EVENTS_PER_PAGE = 25

export interface AssetFilter {
  search?: string
  /** From zero. */
  page: number
}

export function assetsQuery(filter: AssetFilter) {
  return queryOptions({
    queryKey: [...keys.assets, 'list', filter],
    queryFn: () =>
      answer(
        client.GET('/api/v2/assets', {
          params: {
            query: { limit: ASSETS_PER_PAGE, offset: filter.page * ASSETS_PER_PAGE, name_pattern: filter.search, order_by: ['name'] },
          },
        }),
      ),
    placeholderData: keepPreviousData,
  })
}

export function assetQuery(assetId: number) {
  return queryOptions({
    queryKey: [...keys.assets, 'one', assetId],
    queryFn: () => answer(client.GET('/api/v2/assets/{asset_id}', { params: { path: { asset_id: assetId } } })),
  })
}

/** The updates of an asset, latest first. */
export function assetEventsQuery(assetId: number, page: number) {
  return queryOptions({
    queryKey: [...keys.assets, 'events', assetId, page],
    queryFn: () =>
      answer(
        client.GET('/api/v2/assets/events', {
          params: { query: { asset_id: assetId, limit: EVENTS_PER_PAGE, offset: page * EVENTS_PER_PAGE, order_by: ['-timestamp'] } },
        }),
      ),
    placeholderData: keepPreviousData,
  })
}

/** The DAGs for which an update of the asset is queued: they wait for something else as well. */
export function assetQueueQuery(assetId: number) {
  return queryOptions({
    queryKey: [...keys.assets, 'queue', assetId],
    queryFn: async () => {
      try {
        const queue = await answer(client.GET('/api/v2/assets/{asset_id}/queuedEvents', { params: { path: { asset_id: assetId } } }))
        return queue.queued_events
      } catch (error) {
        // As Airflow says that nothing is queued.
        if (error instanceof ApiError && error.status === 404) return []
        throw error
      }
    },
  })
}

/** What a DAG waits for. */
export function dagAssetsQuery(dagId: string) {
  return queryOptions({
    queryKey: [...keys.assets, 'dag', dagId],
    queryFn: () => answer(client.GET('/api/v2/updraft/dags/{dag_id}/assets', { params: { path: { dag_id: dagId } } })),
  })
}

/** The updates that a run was made for. */
export function upstreamEventsQuery(dagId: string, runId: string) {
  return queryOptions({
    queryKey: [...keys.run(dagId, runId), 'upstream-events'],
    queryFn: () =>
      answer(
        client.GET('/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/upstreamAssetEvents', {
          params: { path: { dag_id: dagId, dag_run_id: runId } },
        }),
      ),
    select: (page) => page.asset_events,
  })
}

/** Runs the DAG that makes the asset. */
export function useMaterialize(assetId: number) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: () => answer(client.POST('/api/v2/assets/{asset_id}/materialize', { params: { path: { asset_id: assetId } }, body: {} })),
    onSettled: () => queries.invalidateQueries({ queryKey: keys.dagList }),
  })
}

/** Says that the asset was updated by something that is no task: whoever waits for it goes on. */
export function useRecordUpdate(assetId: number) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: () => answer(client.POST('/api/v2/assets/events', { body: { asset_id: assetId } })),
    onSettled: () => queries.invalidateQueries({ queryKey: keys.assets }),
  })
}

/** Forgets an update for a DAG that waits for it. */
export function useForgetUpdate(assetId: number) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (dagId: string) =>
      answer(client.DELETE('/api/v2/dags/{dag_id}/assets/{asset_id}/queuedEvents', { params: { path: { dag_id: dagId, asset_id: assetId } } })),
    onSettled: () => queries.invalidateQueries({ queryKey: keys.assets }),
  })
}
