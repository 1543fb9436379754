import { MantineProvider } from '@mantine/core'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { fireEvent, render, screen } from '@testing-library/react'
import type { ReactNode } from 'react'
import { expect, test, vi } from 'vitest'
import type { TaskInstance } from '../../api/model'
import { InstanceTable } from './MappedTask'

vi.mock('@tanstack/react-router', () => ({
  getRouteApi: () => ({}),
  createLink: (component: unknown) => component,
  Link: ({ children }: { children: ReactNode }) => <a>{children}</a>,
}))

function instance(index: number): TaskInstance {
  return {
    id: String(index), task_id: 'load', dag_id: 'sales', dag_run_id: 'r', map_index: index, start_date: null, end_date: null, duration: null,
    state: null, try_number: 0, max_tries: 0, task_display_name: 'load', dag_display_name: 'sales', hostname: null, unixname: null,
    pool: 'default_pool', pool_slots: 1, queue: null, priority_weight: null, operator: null, operator_name: null, queued_when: null,
    scheduled_when: null, pid: null, executor: null, executor_config: '{}', dag_version: null, error: null, logical_date: null,
    run_after: '2026-11-21T00:00:00Z', note: null, rendered_map_index: null, rendered_fields: {}, trigger: null, triggerer_job: null, reason: null,
  }
}

test('thousands of instances are drawn page by page', () => {
  const { container } = render(
    <MantineProvider>
      <QueryClientProvider client={new QueryClient()}>
        <InstanceTable instances={Array.from({ length: 1003 }, (_, index) => instance(index))} zone="UTC" />
      </QueryClientProvider>
    </MantineProvider>,
  )
  const indices = () => [...container.querySelectorAll('tbody tr')].map((row) => row.firstChild?.textContent)
  expect(indices()).toHaveLength(100)

  fireEvent.click(screen.getByText('11', { ignore: 'td, a' }))
  expect(indices()).toEqual(['1000', '1001', '1002'])
})
