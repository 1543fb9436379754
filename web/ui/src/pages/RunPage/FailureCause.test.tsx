import { MantineProvider } from '@mantine/core'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { render, screen } from '@testing-library/react'
import type { ReactNode } from 'react'
import { expect, test, vi } from 'vitest'
import type { DagRun, TaskInstance } from '../../api/model'
import { FailureCause } from './FailureCause'

vi.mock('@tanstack/react-router', () => ({
  createLink: () => () => null,
  Link: ({ children }: { children: ReactNode }) => <a>{children}</a>,
}))

test('of thousands that failed some are named, and the rest is counted', () => {
  vi.stubGlobal('fetch', () => new Promise(() => undefined))
  const instances = Array.from({ length: 3000 }, (_, index) => {
    const end = new Date(Date.UTC(2026, 10, 21) + index).toISOString()
    return { task_id: 'load', map_index: index, state: 'failed', try_number: 1, start_date: end, end_date: end, duration: 1, error: null } as TaskInstance
  })
  const { container } = render(
    <MantineProvider>
      <QueryClientProvider client={new QueryClient()}>
        <FailureCause run={{ logical_date: null } as DagRun} instances={instances} />
      </QueryClientProvider>
    </MantineProvider>,
  )
  expect(container.querySelectorAll('a').length).toBeLessThan(30)
  expect(screen.getByText(/Failed too/).textContent).toMatch(/ and 2,979 more$/)
})
