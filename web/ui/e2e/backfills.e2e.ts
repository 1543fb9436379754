import { expectAccessible } from './axe'
import { expect, LONG, setPaused, test } from './start'
import type { Page } from '@playwright/test'

/** Opens the form, and says which days of 2025 are to be run. */
async function fillIn(page: Page, from: string, to: string) {
  await page.getByRole('button', { name: 'New backfill' }).click()
  const dialog = page.getByRole('dialog', { name: 'Backfill daily_ledger' })
  await dialog.getByLabel('First date').fill(`2025-${from}T00:00`)
  await dialog.getByLabel('Last date').fill(`2025-${to}T00:00`)
  return dialog
}

test('a range of dates is looked at, run, and what failed of it run again', async ({ signedIn: page }) => {
  await setPaused(page, 'daily_ledger', false)
  await page.goto('/dags/daily_ledger')
  await page.getByRole('tab', { name: 'Backfills' }).click()

  const dialog = await fillIn(page, '02-03', '02-02')
  await expect(dialog.getByText('This is before the first date')).toBeVisible()
  await dialog.getByLabel('Last date').fill('2025-02-05T00:00')
  const dates = dialog.getByRole('group', { name: 'List of dates that would be run' }).getByRole('listitem')
  await expect(dates).toHaveText([/^3 Feb 2025/, /^4 Feb 2025/, /^5 Feb 2025/])
  await dialog.getByRole('checkbox', { name: 'Newest date first' }).check()
  await expect(dates.first()).toHaveText(/^5 Feb 2025/)
  await dialog.getByText('Conf', { exact: true }).click()
  await dialog.getByLabel('Conf as JSON').fill('{"bad": "2025-02-04"}')
  await dialog.getByRole('button', { name: 'Run 3 dates' }).click()

  await expect(dialog).toBeHidden()
  const row = page.getByRole('row').filter({ hasText: '3 Feb 2025' }).first()
  await expect(row).toContainText('Some failed', LONG)
  await expect(row.getByRole('img', { name: '3 of 3 runs over: 2 success, 1 failed' })).toBeVisible()
  await expect(row.getByRole('button')).toHaveCount(0)

  // Dates that have a run are left, unless one asks for more.
  const again = await fillIn(page, '02-03', '02-05')
  await expect(again.getByText('Nothing would be run')).toBeVisible()
  await expect(again.getByRole('button', { name: 'Run', exact: true })).toBeDisabled()
  await again.getByRole('radio', { name: 'Run again what failed' }).check()
  await again.getByRole('button', { name: 'Run 1 date' }).click()
  await expect(again).toBeHidden()
  await expect(page.getByRole('row').filter({ hasText: '3 Feb 2025' }).first()).toContainText('Done', LONG)
})

test('a backfill is paused, goes on, and is cancelled after a question', async ({ signedIn: page }) => {
  await setPaused(page, 'daily_ledger', false)
  await page.goto('/dags/daily_ledger?tab=backfills')
  // More than are over before somebody slow has paused and cancelled it.
  const dialog = await fillIn(page, '02-10', '06-09')
  await dialog.getByLabel('Runs at the same time').fill('1')
  await dialog.getByRole('button', { name: 'Run 120 dates' }).click()
  await expect(dialog).toBeHidden()

  const row = page.getByRole('row').filter({ hasText: '10 Feb 2025' }).first()
  await expect(page.getByRole('button', { name: 'New backfill' })).toBeDisabled()
  await row.getByRole('button', { name: /^Pause backfill/ }).click()
  await expect(row).toContainText('Paused')
  await row.getByRole('button', { name: /^Let backfill \d+ go on/ }).click()
  await expect(row.getByRole('button', { name: /^Pause backfill/ })).toBeVisible()
  await row.getByRole('button', { name: /^Cancel backfill/ }).click()
  await page.getByRole('dialog', { name: /^Cancel backfill \d+\?$/ }).getByRole('button', { name: 'End it' }).click()

  await expect(page.getByText(/^Backfill \d+ is cancelled$/)).toBeVisible()
  await expect(row).toContainText(/Some failed|Failed/)
  await expect(row.getByRole('button')).toHaveCount(0)
  await row.getByRole('link', { name: /failed/ }).click()
  await expect(page).toHaveURL(/tab=runs/)
  await expect(page.getByRole('heading', { name: /runs of the type backfill/ })).toBeVisible()
  await page.getByRole('button', { name: 'Show all types' }).click()
  await expect(page.getByRole('heading', { name: /^\d+ runs$/ })).toBeVisible()
})

test('backfills of all DAGs are in one list', async ({ signedIn: page }) => {
  await page.goto('/dags')
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Backfills' }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'Backfills' })).toBeVisible()
  await page.reload()
  await page.getByRole('link', { name: 'daily_ledger' }).first().click()
  await expect(page).toHaveURL(/\/dags\/daily_ledger\?tab=backfills$/)
})

test('a DAG without a periodic schedule has no dates to fill in', async ({ signedIn: page }) => {
  await page.goto('/dags/weekly_digest?tab=backfills')
  await expect(page.getByText('There are no dates to fill in')).toBeVisible()
  await expect(page.getByRole('button', { name: 'New backfill' })).toHaveCount(0)
})

for (const colorScheme of ['light', 'dark'] as const) {
  test.describe(`in ${colorScheme} colours`, () => {
    test.use({ colorScheme })

    test('backfills are accessible', async ({ signedIn: page }) => {
      await page.goto('/backfills')
      await expectAccessible(page)
      await page.goto('/dags/daily_ledger?tab=backfills')
      await expectAccessible(page)
      const dialog = await fillIn(page, '02-01', '02-28')
      await expect(dialog.getByRole('button', { name: /^Run \d+ dates$/ })).toBeEnabled()
      await expectAccessible(page)
    })
  })
}
