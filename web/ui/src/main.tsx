import '@mantine/core/styles.css'
import '@mantine/notifications/styles.css'
import './styles/tokens.css'
import './styles/tones.css'
import './styles/base.css'
import { MantineProvider } from '@mantine/core'
import { Notifications } from '@mantine/notifications'
import { QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { makeQueryClient } from './api/cache'
import { makeLive } from './api/live'
import { paths } from './paths'
import { makeRouter } from './routes'
import { cssVariables, theme } from './theme'

const queries = makeQueryClient(() => {
  // Back to the sign-in, keeping the page wanted; unless that is where we are.
  const { href, pathname } = router.state.location
  live.stop()
  if (pathname !== '/login') void router.navigate(paths.login(href))
})
const live = makeLive(queries)
const router = makeRouter({ queries, live })

const place = document.getElementById('root')
if (place === null) throw new Error('index.html has no element #root')

createRoot(place).render(
  <StrictMode>
    <MantineProvider theme={theme} cssVariablesResolver={cssVariables} defaultColorScheme="auto">
      <QueryClientProvider client={queries}>
        <Notifications position="bottom-right" limit={4} />
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
)
