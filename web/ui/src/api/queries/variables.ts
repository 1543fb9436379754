import { keepPreviousData, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query'
import { answer, client } from '../client'
import { keys } from '../keys'
import type { VariableBody } from '../model'

export const VARIABLES_PER_PAGE = 50

export interface VariableFilter {
  search?: string
  /** From zero. */
  page: number
}

export function variablesQuery({ search, page }: VariableFilter) {
  return queryOptions({
    queryKey: [...keys.variables, { search, page }],
    queryFn: () =>
      answer(
        client.GET('/api/v2/variables', {
          params: {
            query: { limit: VARIABLES_PER_PAGE, offset: page * VARIABLES_PER_PAGE, variable_key_pattern: search, order_by: ['key'] },
          },
        }),
      ),
    placeholderData: keepPreviousData,
  })
}

export function useCreateVariable() {
  return useVariableChange((body: VariableBody) => client.POST('/api/v2/variables', { body }))
}

export function useChangeVariable() {
  return useVariableChange((body: VariableBody) =>
    client.PATCH('/api/v2/variables/{variable_key}', { params: { path: { variable_key: body.key } }, body }),
  )
}

export function useDeleteVariable() {
  return useVariableChange((key: string) =>
    client.DELETE('/api/v2/variables/{variable_key}', { params: { path: { variable_key: key } } }),
  )
}

function useVariableChange<B>(change: (body: B) => Parameters<typeof answer>[0]) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (body: B) => answer(change(body)),
    onSettled: () => queries.invalidateQueries({ queryKey: keys.variables }),
  })
}
