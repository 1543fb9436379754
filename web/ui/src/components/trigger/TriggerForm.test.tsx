import { MantineProvider } from '@mantine/core'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { fireEvent, render, screen } from '@testing-library/react'
import { expect, test, vi } from 'vitest'
import { TriggerForm } from './TriggerForm'

vi.mock('@tanstack/react-router', () => ({ useNavigate: () => () => Promise.resolve() }))

// A field that grows with its text looks whether fonts arrive, which this DOM knows nothing of.
Object.defineProperty(document, 'fonts', { value: new EventTarget(), configurable: true })

/** The form of a paused DAG; the server answers each change with a status, and what it was asked is noted. */
function form(status: Record<string, number>, partition?: string) {
  const asked: string[] = []
  const bodies: unknown[] = []
  vi.stubGlobal('fetch', async (request: Request) => {
    asked.push(request.method)
    bodies.push(await request.clone().json())
    const body = JSON.stringify({ detail: 'no', dag_run_id: 'mine' })
    return new Response(body, { status: status[request.method], headers: { 'Content-Type': 'application/json' } })
  })
  const done = vi.fn()
  render(
    <MantineProvider>
      <QueryClientProvider client={new QueryClient()}>
        <TriggerForm dagId="sales" isPaused zone="UTC" isPartitioned={partition !== undefined} params={[]} conf={null} onDone={done} />
      </QueryClientProvider>
    </MantineProvider>,
  )
  if (partition !== undefined) fireEvent.change(screen.getByRole('textbox', { name: 'Partition' }), { target: { value: partition } })
  fireEvent.click(screen.getByRole('button', { name: 'Unpause and trigger' }))
  return { asked, bodies, done }
}

test('a run that is refused leaves its DAG paused', async () => {
  const { asked, done } = form({ POST: 409, PATCH: 200 })

  expect((await screen.findByRole('alert')).textContent).toContain('The run was not created')
  expect(asked).toEqual(['POST'])
  expect(done).not.toHaveBeenCalled()
})

test('a run that was made is shown, also when its DAG stays paused', async () => {
  const { asked, done } = form({ POST: 200, PATCH: 503 })

  await vi.waitFor(() => expect(done).toHaveBeenCalled())
  expect(asked).toEqual(['POST', 'PATCH'])
})

test('a run of a partition has its key in place of a date', async () => {
  const { bodies, done } = form({ POST: 200, PATCH: 200 }, '2026-11-20')

  await vi.waitFor(() => expect(done).toHaveBeenCalled())
  expect(bodies[0]).toMatchObject({ partition_key: '2026-11-20', logical_date: null })
})

test('without a key, a run has the date of now', async () => {
  const { bodies, done } = form({ POST: 200, PATCH: 200 }, '')

  await vi.waitFor(() => expect(done).toHaveBeenCalled())
  expect(bodies[0]).toMatchObject({ partition_key: null, logical_date: expect.any(String) as string })
})
