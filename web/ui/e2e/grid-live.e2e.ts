import { expect, setPaused, test } from './start'

test('the grid follows a run without being loaded anew', async ({ signedIn: page }) => {
  await setPaused(page, 'warehouse.orders_hourly', false)
  await page.goto('/dags/warehouse.orders_hourly?tab=grid')
  await expect(page.getByRole('tab', { name: 'Grid' })).toHaveAttribute('aria-selected', 'true')
  await expect(page.getByRole('grid').or(page.getByText('No runs yet'))).toBeVisible()
  const done = page.getByRole('grid', { name: 'Task instances by run' }).getByRole('link', { name: 'load, Success' })
  const before = await done.count()

  const data = { logical_date: new Date().toISOString() }
  const reply = await page.request.post('/api/v2/dags/warehouse.orders_hourly/dagRuns', { data })
  expect(reply.ok(), await reply.text()).toBe(true)

  await expect(done).toHaveCount(before + 1)
})
