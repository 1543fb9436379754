import { test as base, expect, type Page, type TestInfo } from '@playwright/test'
import { MOCK_PASSWORD } from '../mock/handlers'

/** Of a run of a few tasks, each of them a process. */
export const LONG = { timeout: 180_000 }

interface Fixtures {
  /** A page whose browser is signed in as `admin`. */
  signedIn: Page
}

export const test = base.extend<Fixtures>({
  signedIn: async ({ page }, provide, info) => {
    const reply = await page.request.post('/auth/login', {
      data: { username: 'admin', password: password(info.project.name) },
    })
    expect(reply.status(), 'sign in as admin').toBe(204)
    await provide(page)
  },
})

/** The password of `admin` on the server under test. */
export function password(project: string): string {
  return project === 'mock' ? MOCK_PASSWORD : needed('UPDRAFT_PASSWORD')
}

/** A variable that tests against a real server cannot do without. */
export function needed(name: string): string {
  const value = process.env[name]
  if (value === undefined || value === '') {
    throw new Error(`set ${name}; tests against a real server need UPDRAFT_URL, UPDRAFT_PASSWORD and UPDRAFT_DAGS_FOLDER`)
  }
  return value
}

/** The address of the newest run of the DAG in the state given. */
export async function newestRun(page: Page, dagId: string, state: string): Promise<string> {
  return runAddress(dagId, (await runsIn(page, dagId, state))[0] ?? 'none')
}

async function runsIn(page: Page, dagId: string, state: string): Promise<string[]> {
  const reply = await page.request.get(`/api/v2/dags/${dagId}/dagRuns?state=${state}&limit=100&order_by=-run_after`)
  const { dag_runs: runs } = (await reply.json()) as { dag_runs: { dag_run_id: string }[] }
  return runs.map((run) => run.dag_run_id)
}

/**
 * The address of a run that ended as given. A real server makes it for the test, from a DAG in `e2e/dags`; the mock has
 * runs of the same DAGs from the start.
 */
export async function endedRun(page: Page, info: TestInfo, dagId: string, state: 'success' | 'failed', conf: object = {}): Promise<string> {
  // The oldest: other journeys look at the newest.
  if (info.project.name === 'mock') return runAddress(dagId, (await runsIn(page, dagId, state)).at(-1) ?? 'none')
  await setPaused(page, dagId, false)
  const reply = await page.request.post(`/api/v2/dags/${dagId}/dagRuns`, { data: { logical_date: new Date().toISOString(), conf } })
  expect(reply.ok(), await reply.text()).toBe(true)
  const { dag_run_id: id } = (await reply.json()) as { dag_run_id: string }
  const stateNow = async () => {
    const run = await page.request.get(`/api/v2/dags/${dagId}/dagRuns/${encodeURIComponent(id)}`)
    return ((await run.json()) as { state: string }).state
  }
  await expect.poll(stateNow, LONG).toBe(state)
  return runAddress(dagId, id)
}

function runAddress(dagId: string, runId: string): string {
  return `/dags/${dagId}/runs/${encodeURIComponent(runId)}`
}

/** Pauses a DAG or lets it run, by the API: for tests that are about something else. */
export async function setPaused(page: Page, dagId: string, isPaused: boolean): Promise<void> {
  const reply = await page.request.patch(`/api/v2/dags/${dagId}`, { data: { is_paused: isPaused } })
  expect(reply.ok(), `set is_paused of ${dagId}`).toBe(true)
}

export { expect } from '@playwright/test'
