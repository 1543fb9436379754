import { expectAccessible } from './axe'
import { expect, LONG, setPaused, test } from './start'

test('an asset is found, and says who makes it and whom it starts', async ({ signedIn: page }) => {
  await page.goto('/dags')
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Assets' }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'Assets' })).toBeVisible()
  await page.getByRole('searchbox', { name: 'Search assets by name' }).fill('order')
  await expect(page).toHaveURL(/q=order/)
  await expect(page.getByRole('link', { name: 'customers', exact: true })).toBeHidden()

  await page.getByRole('link', { name: 'orders', exact: true }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'orders' })).toBeVisible()
  await page.reload()
  await expect(page.getByRole('main')).toContainText('warehouse.orders_hourly')
  await expect(page.getByRole('main').getByRole('link', { name: 'weekly_digest' }).first()).toBeVisible()
})

test('an asset is made on request, and a DAG that waits for it takes note without being loaded anew', async ({ signedIn: page, context }) => {
  await setPaused(page, 'warehouse.orders_hourly', false)
  await setPaused(page, 'weekly_digest', false)
  const digest = await context.newPage()
  await digest.goto('/dags/weekly_digest')
  const awaited = digest.getByRole('list', { name: 'Assets that it waits for' }).getByRole('listitem')
  await expect(awaited).toHaveCount(2)

  await page.goto('/assets?q=orders')
  await page.getByRole('link', { name: 'orders', exact: true }).click()
  await page.getByRole('button', { name: 'Materialize' }).click()
  await expect(page).toHaveURL(/\/dags\/warehouse\.orders_hourly\/runs\//)

  await expect(awaited.filter({ hasText: 'orders' })).toContainText('new, updated')
  await digest.close()
  // What it made is known, also where an earlier update was new already: nothing of it comes in between later.
  await expect(page.getByRole('heading', { level: 1 }).locator('..')).toContainText('Success', LONG)
})

test('an update from outside is recorded, and forgotten for a DAG', async ({ signedIn: page }) => {
  await page.goto('/assets?q=orders')
  await page.getByRole('link', { name: 'orders', exact: true }).click()
  await page.getByRole('button', { name: 'Record an update' }).click()
  await page.getByRole('dialog', { name: 'Was orders updated?' }).getByRole('button', { name: 'Record it' }).click()
  await expect(page.getByText('The update is recorded')).toBeVisible()
  await expect(page.getByRole('row').filter({ hasText: 'from outside' }).first()).toBeVisible()

  await page.getByRole('button', { name: 'Forget the update for weekly_digest' }).click()
  await page.getByRole('dialog', { name: 'Forget this update?' }).getByRole('button', { name: 'Forget it' }).click()
  await expect(page.getByText('waits for an update')).toBeVisible()
})

for (const colorScheme of ['light', 'dark'] as const) {
  test.describe(`in ${colorScheme} colours`, () => {
    test.use({ colorScheme })

    test('assets are accessible', async ({ signedIn: page }) => {
      await page.goto('/assets')
      await expectAccessible(page)
      await page.getByRole('link', { name: 'orders', exact: true }).click()
      await expect(page.getByRole('heading', { level: 1, name: 'orders' })).toBeVisible()
      await expectAccessible(page)
      await page.goto('/dags/weekly_digest')
      await expect(page.getByRole('list', { name: 'Assets that it waits for' })).toBeVisible()
      await expectAccessible(page)
    })
  })
}
