import { expect, LONG, setPaused, test } from './start'

/** Enough for a slow machine that does other work as well: the run of the schedule goes beside ours. */
const PIPELINE = { timeout: 600_000 }

test('the pipeline is triggered with the form, turns green by itself, and shows its answers', async ({ signedIn: page }) => {
  test.setTimeout(900_000)
  await setPaused(page, 'pinterest_batch', true)
  await page.goto('/dags/pinterest_batch')

  await page.getByRole('button', { name: 'Trigger', exact: true }).click()
  const dialog = page.getByRole('dialog', { name: 'Trigger pinterest_batch' })
  await expect(dialog.getByText('This DAG is paused')).toBeVisible()
  await dialog.getByLabel(/^rows/i).fill('many')
  await dialog.getByRole('button', { name: 'Unpause and trigger' }).click()
  await expect(dialog.getByText('This is not a number')).toBeVisible()
  await dialog.getByLabel(/^rows/i).fill('500')
  await dialog.getByRole('button', { name: 'Unpause and trigger' }).click()

  // From here on nothing is reloaded: the page follows the server.
  await expect(page).toHaveURL(/\/dags\/pinterest_batch\/runs\/manual__/)
  await page.evaluate(() => Object.assign(window, { notReloaded: true }))
  await expect(page.getByRole('heading', { level: 1 }).locator('..')).toContainText('Success', PIPELINE)
  await expect(page.getByRole('list', { name: 'Tasks by state' })).toHaveText(/^14 success$/)
  expect(await page.evaluate(() => 'notReloaded' in window)).toBe(true)

  await page.getByRole('table').getByRole('link', { name: 'task5' }).click()
  const answer = page.getByRole('region', { name: 'Answer' })
  await expect(answer.getByRole('columnheader', { name: 'post_year' })).toBeVisible()
  await expect(answer.getByRole('columnheader', { name: 'category_count' })).toBeVisible()
  await expect(answer.getByRole('row').nth(1)).toContainText(/20\d\d/)

  const chart = page.getByRole('img', { name: /^Bar chart: category_count by post_year/ })
  // The swatches of the legend come first.
  await expect(chart.locator('svg').last()).toBeVisible()
  await expect(page.getByText('Posts by year and category')).toBeVisible()

  await answer.getByRole('button', { name: 'Sort by category_count' }).click()
  await expect(answer.getByRole('columnheader', { name: 'category_count' })).toHaveAttribute('aria-sort', 'ascending')

  await page.getByRole('tab', { name: 'Log' }).click()
  await expect(page.getByRole('log')).not.toBeEmpty()
  await expect(page.getByRole('log').getByText(/INFO|DEBUG/).first()).toBeVisible()

  // Tabs are no steps: back is the run.
  await page.goBack()
  await expect(page.getByRole('heading', { name: 'Graph' })).toBeVisible()
  await setPaused(page, 'pinterest_batch', true)
})

test('the report of a clean task is drawn as figures', async ({ signedIn: page }) => {
  const reply = await page.request.get('/api/v2/dags/pinterest_batch/dagRuns?state=success&limit=1')
  const { dag_runs: runs } = (await reply.json()) as { dag_runs: { dag_run_id: string }[] }
  const run = encodeURIComponent(runs[0]?.dag_run_id ?? 'none')

  await page.goto(`/dags/pinterest_batch/runs/${run}/tasks/clean_pin?tab=result`)

  await expect(page.getByText('Rows read')).toBeVisible()
  await expect(page.getByText('Rows rejected')).toBeVisible()
  await expect(page.getByText('Rows changed, by rule')).toBeVisible()
})

test('a run is stopped after a question, and triggered again', async ({ signedIn: page }) => {
  await setPaused(page, 'hello', true)
  await page.goto('/dags/hello')
  await page.getByRole('button', { name: 'Trigger', exact: true }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Trigger only' }).click()
  await expect(page).toHaveURL(/\/runs\/manual__/)
  await expect(page.getByText('This run is queued because the DAG is paused')).toBeVisible()

  await page.getByRole('button', { name: 'Stop' }).click()
  await page.getByRole('dialog', { name: 'Stop this run?' }).getByRole('button', { name: 'Stop' }).click()
  await expect(page.getByText('The run is marked as failed')).toBeVisible()
  await expect(page.getByRole('heading', { level: 1 }).locator('..')).toContainText('Failed')

  const before = page.url()
  await page.getByRole('button', { name: 'Trigger a copy' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Unpause and trigger' }).click()
  await expect(page).not.toHaveURL(before)
  await expect(page.getByRole('heading', { level: 1 }).locator('..')).toContainText('Success', LONG)
})
