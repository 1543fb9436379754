import { MantineProvider } from '@mantine/core'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { fireEvent, render, screen } from '@testing-library/react'
import { expect, test, vi } from 'vitest'
import { TriggerForm } from './TriggerForm'

vi.mock('@tanstack/react-router', () => ({ useNavigate: () => () => Promise.resolve() }))

// A field that grows with its text looks whether fonts arrive, which this DOM knows nothing of.
Object.defineProperty(document, 'fonts', { value: new EventTarget(), configurable: true })

/** The form of a paused DAG; the server answers each change with a status, and what it was asked is noted. */
function form(status: Record<string, number>) {
  const asked: string[] = []
  vi.stubGlobal('fetch', (request: Request) => {
    asked.push(request.method)
    const body = JSON.stringify({ detail: 'no', dag_run_id: 'mine' })
    return Promise.resolve(new Response(body, { status: status[request.method], headers: { 'Content-Type': 'application/json' } }))
  })
  const done = vi.fn()
  render(
    <MantineProvider>
      <QueryClientProvider client={new QueryClient()}>
        <TriggerForm dagId="sales" isPaused zone="UTC" params={[]} conf={null} onDone={done} />
      </QueryClientProvider>
    </MantineProvider>,
  )
  fireEvent.click(screen.getByRole('button', { name: 'Unpause and trigger' }))
  return { asked, done }
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
