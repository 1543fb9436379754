import { test as base, expect, type Page } from '@playwright/test'
import { MOCK_PASSWORD } from '../mock/handlers'

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

/** Pauses a DAG or lets it run, by the API: for tests that are about something else. */
export async function setPaused(page: Page, dagId: string, isPaused: boolean): Promise<void> {
  const reply = await page.request.patch(`/api/v2/dags/${dagId}`, { data: { is_paused: isPaused } })
  expect(reply.ok(), `set is_paused of ${dagId}`).toBe(true)
}

export { expect } from '@playwright/test'
