import type { QueryClient } from '@tanstack/react-query'
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from '@tanstack/react-router'
import { isSignedOut } from './api/errors'
import type { Live } from './api/live'
import { meQuery } from './api/queries/session'
import { NotFound, Nowhere, PageError, Unreached } from './components/PageError'
import { PagePending } from './components/PagePending'
import { Shell, ShellPending } from './components/Shell'
import { DagsPage } from './pages/DagsPage/Page'
import { LoginPage } from './pages/LoginPage/Page'
import { paths } from './paths'
import { assetSearch, backfillsSearch, callbacksSearch, dagSearch, dagsSearch, listSearch, loginSearch, runSearch, taskSearch } from './search'

interface Context {
  queries: QueryClient
  live: Live
}

const root = createRootRouteWithContext<Context>()({ component: Outlet, notFoundComponent: Nowhere })

const login = createRoute({
  getParentRoute: () => root,
  path: '/login',
  validateSearch: loginSearch,
  component: LoginPage,
})

/** Everything behind the sign-in: who is not signed in goes there, and comes back to the page wanted. */
const signedIn = createRoute({
  getParentRoute: () => root,
  id: 'signed-in',
  beforeLoad: async ({ context, location }) => {
    try {
      await context.queries.ensureQueryData(meQuery)
    } catch (error) {
      if (isSignedOut(error)) throw redirect(paths.login(location.href))
      throw error
    }
    // First the stream, then the data: no change can fall between the two.
    await context.live.start()
  },
  component: Shell,
  // What comes before the shell stands where the page will.
  pendingComponent: ShellPending,
  errorComponent: Unreached,
})

const home = createRoute({
  getParentRoute: () => signedIn,
  path: '/',
  beforeLoad: () => {
    throw redirect(paths.dags())
  },
})

const dags = createRoute({
  getParentRoute: () => signedIn,
  path: '/dags',
  validateSearch: dagsSearch,
  component: DagsPage,
})

const importErrors = createRoute({
  getParentRoute: () => signedIn,
  path: '/import-errors',
  component: lazyRouteComponent(() => import('./pages/ImportErrorsPage/Page'), 'ImportErrorsPage'),
})

const requiredActions = createRoute({
  getParentRoute: () => signedIn,
  path: '/required-actions',
  component: lazyRouteComponent(() => import('./pages/RequiredActionsPage/Page'), 'RequiredActionsPage'),
})

const pools = createRoute({
  getParentRoute: () => signedIn,
  path: '/pools',
  component: lazyRouteComponent(() => import('./pages/PoolsPage/Page'), 'PoolsPage'),
})

const connections = createRoute({
  getParentRoute: () => signedIn,
  path: '/connections',
  validateSearch: listSearch,
  component: lazyRouteComponent(() => import('./pages/ConnectionsPage/Page'), 'ConnectionsPage'),
})

const variables = createRoute({
  getParentRoute: () => signedIn,
  path: '/variables',
  validateSearch: listSearch,
  component: lazyRouteComponent(() => import('./pages/VariablesPage/Page'), 'VariablesPage'),
})

const assets = createRoute({
  getParentRoute: () => signedIn,
  path: '/assets',
  validateSearch: listSearch,
  component: lazyRouteComponent(() => import('./pages/AssetsPage/Page'), 'AssetsPage'),
})

const asset = createRoute({
  getParentRoute: () => signedIn,
  path: '/assets/$assetId',
  validateSearch: assetSearch,
  component: lazyRouteComponent(() => import('./pages/AssetPage/Page'), 'AssetPage'),
})

const backfills = createRoute({
  getParentRoute: () => signedIn,
  path: '/backfills',
  validateSearch: backfillsSearch,
  component: lazyRouteComponent(() => import('./pages/BackfillsPage/Page'), 'BackfillsPage'),
})

const callbacks = createRoute({
  getParentRoute: () => signedIn,
  path: '/callbacks',
  validateSearch: callbacksSearch,
  component: lazyRouteComponent(() => import('./pages/CallbacksPage/Page'), 'CallbacksPage'),
})

const dag = createRoute({
  getParentRoute: () => signedIn,
  path: '/dags/$dagId',
  validateSearch: dagSearch,
  component: lazyRouteComponent(() => import('./pages/DagPage/Page'), 'DagPage'),
})

const run = createRoute({
  getParentRoute: () => signedIn,
  path: '/dags/$dagId/runs/$runId',
  validateSearch: runSearch,
  component: lazyRouteComponent(() => import('./pages/RunPage/Page'), 'RunPage'),
})

const task = createRoute({
  getParentRoute: () => signedIn,
  path: '/dags/$dagId/runs/$runId/tasks/$taskId',
  validateSearch: taskSearch,
  remountDeps: ({ params, search }) => ({ ...params, map: search.map }),
  component: lazyRouteComponent(() => import('./pages/TaskPage/Page'), 'TaskPage'),
})

const tree = root.addChildren([login, signedIn.addChildren([home, dags, importErrors, requiredActions, pools, connections, variables, assets, asset, backfills, callbacks, dag, run, task])])

export function makeRouter(context: Context) {
  return createRouter({
    routeTree: tree,
    context,
    defaultErrorComponent: PageError,
    defaultPendingComponent: PagePending,
    defaultNotFoundComponent: NotFound,
    scrollRestoration: true,
    // What was opened or typed belongs to its page: a dialog about one run must not be there for the next one.
    defaultRemountDeps: ({ params }) => params,
  })
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof makeRouter>
  }
}
