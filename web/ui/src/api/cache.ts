import { MutationCache, QueryCache, QueryClient } from '@tanstack/react-query'
import { isFinal, isSignedOut } from './errors'
import { keys } from './keys'

/** The cache of server state. `onSignedOut` is called when any request finds the session over. */
export function makeQueryClient(onSignedOut: () => void): QueryClient {
  const notice = (error: unknown) => {
    if (!isSignedOut(error)) return
    queries.removeQueries({ queryKey: keys.me })
    onSignedOut()
  }
  const queries = new QueryClient({
    queryCache: new QueryCache({ onError: notice }),
    mutationCache: new MutationCache({ onError: notice }),
    defaultOptions: {
      queries: {
        // The event stream says what is stale; coming back to the tab asks again all the same.
        staleTime: 10_000,
        retry: (count, error) => !isFinal(error) && count < 2,
      },
    },
  })
  return queries
}
