import { queryOptions } from '@tanstack/react-query'
import { answer, client } from '../client'
import { keys } from '../keys'

export const meQuery = queryOptions({
  queryKey: keys.me,
  queryFn: () => answer(client.GET('/api/v2/updraft/me')),
  staleTime: 5 * 60_000,
  retry: false,
})

export const versionQuery = queryOptions({
  queryKey: keys.version,
  queryFn: () => answer(client.GET('/api/v2/version')),
  staleTime: Infinity,
})

export function signIn(username: string, password: string): Promise<unknown> {
  return answer(client.POST('/auth/login', { body: { username, password } }))
}

export function signOut(): Promise<unknown> {
  return answer(client.POST('/auth/logout'))
}
