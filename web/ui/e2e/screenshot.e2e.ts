import { fileURLToPath } from 'node:url'
import { expect, setPaused, test } from './start'

const FILE = fileURLToPath(new URL('../../../docs/screenshot.png', import.meta.url))

// Twice as many pixels, for screens that have them.
test.use({ viewport: { width: 1280, height: 940 }, deviceScaleFactor: 2 })

/** The picture of the README: a run of the pipeline, all green. */
test('take the screenshot', async ({ signedIn: page }) => {
  test.setTimeout(240_000)
  await setPaused(page, 'pinterest_batch', false)
  const reply = await page.request.post('/api/v2/dags/pinterest_batch/dagRuns', {
    data: { logical_date: new Date().toISOString() },
    // As a page of the UI would send it.
    headers: { Referer: process.env.UPDRAFT_URL ?? '' },
  })
  expect(reply.ok(), await reply.text()).toBe(true)
  const { dag_run_id: id } = (await reply.json()) as { dag_run_id: string }

  await page.goto(`/dags/pinterest_batch/runs/${encodeURIComponent(id)}`)
  await expect(page.getByRole('heading', { level: 1 }).locator('..')).toContainText('Success', { timeout: 200_000 })
  await expect(page.getByRole('list', { name: 'Tasks by state' })).toHaveText(/^\d+ success$/)
  await page.mouse.move(0, 0)

  await page.screenshot({ path: FILE })
})
