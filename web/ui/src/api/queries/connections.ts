import { keepPreviousData, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query'
import { answer, client } from '../client'
import { keys } from '../keys'
import type { ConnectionBody } from '../model'

export const CONNECTIONS_PER_PAGE = 50

export interface ConnectionFilter {
  search?: string
  /** From zero. */
  page: number
}

export function connectionsQuery({ search, page }: ConnectionFilter) {
  return queryOptions({
    queryKey: [...keys.connections, { search, page }],
    queryFn: () =>
      answer(
        client.GET('/api/v2/connections', {
          params: {
            query: {
              limit: CONNECTIONS_PER_PAGE,
              offset: page * CONNECTIONS_PER_PAGE,
              connection_id_pattern: search,
              order_by: ['connection_id'],
            },
          },
        }),
      ),
    placeholderData: keepPreviousData,
  })
}

/** They are part of the server, and change when it does. */
export const connectionTypesQuery = queryOptions({
  queryKey: keys.connectionTypes,
  queryFn: () => answer(client.GET('/api/v2/updraft/connection-types')),
  staleTime: Infinity,
})

export function useCreateConnection() {
  return useConnectionChange((body: ConnectionBody) => client.POST('/api/v2/connections', { body }))
}

/** Changes the fields that the body has. */
export function useChangeConnection() {
  return useConnectionChange((body: ConnectionBody) =>
    client.PATCH('/api/v2/connections/{connection_id}', { params: { path: { connection_id: body.connection_id } }, body }),
  )
}

export function useDeleteConnection() {
  return useConnectionChange((connectionId: string) =>
    client.DELETE('/api/v2/connections/{connection_id}', { params: { path: { connection_id: connectionId } } }),
  )
}

/** Tries out whether a connection works; secrets that the body does not have are those that are kept. */
export function useTestConnection() {
  return useMutation({ mutationFn: (body: ConnectionBody) => answer(client.POST('/api/v2/connections/test', { body })) })
}

function useConnectionChange<B>(change: (body: B) => Parameters<typeof answer>[0]) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (body: B) => answer(change(body)),
    onSettled: () => queries.invalidateQueries({ queryKey: keys.connections }),
  })
}
