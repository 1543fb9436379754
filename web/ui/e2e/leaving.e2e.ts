import type { Page } from '@playwright/test'
import { endedRun, expect, test } from './start'

/** Holds back the code of pages that were not shown yet, until it is let go: the page before stays for so long. */
async function holdPages(page: Page): Promise<() => void> {
  let letGo = (): void => undefined
  const gone = new Promise<void>((resolve) => (letGo = resolve))
  await page.route('**/static/*.js', async (route) => {
    await gone
    await route.continue()
  })
  return letGo
}

test('a page that is left takes nothing any more, and the focus goes to the heading of the next one', async ({ signedIn: page }) => {
  await page.goto('/dags')
  const main = page.getByRole('main')
  const letGo = await holdPages(page)
  await page.getByRole('link', { name: 'hello', exact: true }).press('Enter')

  await expect(main).toHaveAttribute('inert')
  // Elsewhere one may still go.
  const elsewhere = page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Assets' })
  await elsewhere.focus()
  await expect(elsewhere).toBeFocused()

  letGo()
  await expect(page.getByRole('heading', { level: 1, name: 'hello' })).toBeFocused()
  await expect(main).not.toHaveAttribute('inert')
  // A tab is another view of the same page.
  await page.getByRole('tab', { name: 'Details' }).click()
  await expect(page).toHaveURL(/tab=details$/)
  await expect(page.getByRole('heading', { name: 'Next runs' })).toBeVisible()
  await expect(page.getByRole('tab', { name: 'Details' })).toBeFocused()
  await page.goBack()
  await page.goBack()
  await expect(page.getByRole('heading', { level: 1, name: 'DAGs' })).toBeFocused()
})

test('a dialog of a page that is left answers no more, and goes with it', async ({ signedIn: page }) => {
  await page.goto('/variables')
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Pools' }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'Pools' })).toBeFocused()
  await page.reload()
  await page.getByRole('button', { name: 'New pool' }).click()
  const dialog = page.getByRole('dialog', { name: 'New pool' })
  await dialog.getByLabel('Name').fill('left_behind')
  const letGo = await holdPages(page)
  await page.evaluate(() => history.back())

  await expect(page.locator('[inert]').filter({ has: page.getByText('Make the pool') })).toHaveCount(1)
  await page.keyboard.press('Enter')

  letGo()
  await expect(page.getByRole('heading', { level: 1, name: 'Variables' })).toBeFocused()
  await expect(page.getByText('Make the pool')).toHaveCount(0)
  const { pools } = (await (await page.request.get('/api/v2/pools')).json()) as { pools: { name: string }[] }
  expect(pools.map((pool) => pool.name)).not.toContain('left_behind')
})

test('a dialog about one run is not there for the next one', async ({ signedIn: page }, info) => {
  const first = await endedRun(page, info, 'flaky_import', 'failed')
  const second = await endedRun(page, info, 'warehouse.orders_hourly', 'success')
  await page.goto(first)
  await expect(page.getByRole('heading', { level: 1 }).locator('..')).toContainText('Failed')
  // From run to run within the app.
  await page.evaluate((to) => {
    history.pushState({}, '', to)
    dispatchEvent(new PopStateEvent('popstate'))
  }, second)
  await expect(page.getByRole('heading', { level: 1 }).locator('..')).toContainText('Success')
  await page.getByRole('button', { name: 'More actions' }).click()
  await page.getByRole('menuitem', { name: 'Delete this run' }).click()
  await expect(page.getByRole('dialog', { name: 'Delete this run?' })).toBeVisible()

  await page.evaluate(() => history.back())
  await expect(page.getByRole('heading', { level: 1 }).locator('..')).toContainText('Failed')
  await expect(page.getByRole('dialog')).toHaveCount(0)
})
