import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query'
import { answer, client } from '../client'
import { keys } from '../keys'
import type { PoolBody } from '../model'

/** What is taken changes with every task that starts or ends, so that no event could name it. */
const REFRESH_MS = 2000

const POOLS_MAX = 100

export const poolsQuery = queryOptions({
  queryKey: keys.pools,
  queryFn: () => answer(client.GET('/api/v2/pools', { params: { query: { limit: POOLS_MAX, order_by: ['name'] } } })),
  refetchInterval: REFRESH_MS,
})

export function useCreatePool() {
  return usePoolChange((body: PoolBody) => client.POST('/api/v2/pools', { body }))
}

/** Changes everything of a pool but its name; of the default pool only what may be changed. */
export function useChangePool() {
  return usePoolChange(({ name, ...body }: PoolBody) => {
    const fields = name === DEFAULT_POOL ? ['slots', 'include_deferred'] : ['slots', 'include_deferred', 'description']
    return client.PATCH('/api/v2/pools/{pool_name}', {
      params: { path: { pool_name: name }, query: { update_mask: fields } },
      body,
    })
  })
}

export function useDeletePool() {
  return usePoolChange((name: string) =>
    client.DELETE('/api/v2/pools/{pool_name}', { params: { path: { pool_name: name } } }),
  )
}

/** The pool that is always there. */
export const DEFAULT_POOL = 'default_pool'

function usePoolChange<B>(change: (body: B) => Parameters<typeof answer>[0]) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (body: B) => answer(change(body)),
    onSettled: () => queries.invalidateQueries({ queryKey: keys.pools }),
  })
}
