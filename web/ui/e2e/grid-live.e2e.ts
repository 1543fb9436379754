import { expect, setPaused, test } from './start'

test('the grid follows a run without being loaded anew', async ({ signedIn: page }) => {
  await setPaused(page, 'warehouse.orders_hourly', false)
  await page.goto('/dags/warehouse.orders_hourly?tab=grid')
  await expect(page.getByRole('tab', { name: 'Grid' })).toHaveAttribute('aria-selected', 'true')
  await expect(page.getByRole('grid').or(page.getByText('No runs yet'))).toBeVisible()
  const data = { logical_date: new Date().toISOString() }
  const reply = await page.request.post('/api/v2/dags/warehouse.orders_hourly/dagRuns', { data })
  expect(reply.ok(), await reply.text()).toBe(true)
  const { dag_run_id: id } = (await reply.json()) as { dag_run_id: string }

  // Of this run: others may be under way.
  const grid = page.getByRole('grid', { name: 'Task instances by run' })
  const ofRun = page.locator(`[href*="/runs/${encodeURIComponent(id)}/"]`)
  await expect(grid.getByRole('link', { name: 'load, Success' }).and(ofRun)).toBeVisible()
})
