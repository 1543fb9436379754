import { expectAccessible } from './axe'
import { endedRun, expect, test } from './start'

test('from a failed run to its task, and on again: what is cleared is shown before', async ({ signedIn: page }, info) => {
  await page.goto(await endedRun(page, info, 'warehouse.orders_hourly', 'failed', { fails: true }))
  await expect(page.getByRole('region', { name: 'Cause of the failure' })).toContainText('extract failed')

  await page.getByRole('button', { name: 'Run again from here' }).click()
  const dialog = page.getByRole('dialog', { name: 'Run again from extract' })
  const affected = dialog.getByRole('region', { name: 'Affected task instances' })
  const list = affected.getByRole('group').getByRole('listitem')
  await expect(list).toHaveText([/extract\s*Failed/, /load\s*Upstream failed/])
  await dialog.getByRole('checkbox', { name: 'Downstream' }).uncheck()
  await expect(affected.getByRole('heading', { name: '1 task instance' })).toBeVisible()
  await dialog.getByRole('checkbox', { name: 'Downstream' }).check()

  await dialog.getByRole('button', { name: 'Clear 2 task instances' }).click()
  await expect(page.getByText('2 task instances cleared')).toBeVisible()
  await expect(dialog).toBeHidden()
  await expect(page.getByRole('heading', { level: 1 }).locator('..')).toContainText('Success')
  await expect(page.getByRole('list', { name: 'Tasks by state' })).toHaveText(/^2 success$/)
})

test('a task is marked by hand, and what was blocked by it goes on', async ({ signedIn: page }, info) => {
  await page.goto(await endedRun(page, info, 'flaky_import', 'failed'))
  await page.getByRole('button', { name: 'Actions on check' }).click()
  await page.getByRole('menuitem', { name: 'Mark success' }).click()

  const dialog = page.getByRole('dialog', { name: 'Mark check as success' })
  await expect(dialog.getByRole('group', { name: 'List of affected task instances' })).toHaveText(/^check\s*Failed$/)
  await dialog.getByRole('button', { name: 'Mark 1 task instance' }).click()

  await expect(page.getByText('1 task instance marked as success')).toBeVisible()
  await expect(page.getByRole('heading', { level: 1 }).locator('..')).toContainText('Success')
})

test('of a whole run only what failed is cleared, on request', async ({ signedIn: page }, info) => {
  await page.goto(await endedRun(page, info, 'sales_report', 'failed'))
  await page.getByRole('button', { name: 'Run again', exact: true }).click()
  const dialog = page.getByRole('dialog', { name: 'Run this run again' })

  await expect(dialog.getByRole('radio', { name: 'Only what failed' })).toBeChecked()
  await expect(dialog.getByRole('button', { name: 'Clear 2 task instances' })).toBeVisible()
  await dialog.getByRole('radio', { name: 'Everything' }).check()
  await expect(dialog.getByRole('button', { name: 'Clear 12 task instances' })).toBeVisible()
  await dialog.getByRole('radio', { name: 'Only new tasks' }).check()
  await expect(dialog.getByText('The newest version has no task that this run has not.')).toBeVisible()
  await expect(dialog.getByRole('button', { name: 'Clear', exact: true })).toBeDisabled()
})

test('a run is deleted after a question', async ({ signedIn: page }, info) => {
  const url = await endedRun(page, info, 'warehouse.orders_hourly', 'success')
  await page.goto(url)
  await page.getByRole('button', { name: 'More actions' }).click()
  await page.getByRole('menuitem', { name: 'Delete this run' }).click()
  await page.getByRole('dialog', { name: 'Delete this run?' }).getByRole('button', { name: 'Delete' }).click()

  await expect(page.getByText('The run is deleted')).toBeVisible()
  await expect(page).toHaveURL(/\/dags\/warehouse\.orders_hourly\?tab=runs$/)
  await page.goto(url)
  await expect(page.getByText('There is nothing here')).toBeVisible()
})

for (const colorScheme of ['light', 'dark'] as const) {
  test.describe(`in ${colorScheme} colours`, () => {
    test.use({ colorScheme })

    test('the dialogs, and the page of a mapped task, are accessible', async ({ signedIn: page }, info) => {
      const run = await endedRun(page, info, 'sales_report', 'failed')
      await page.goto(`${run}/tasks/country.report`)
      await expectAccessible(page)

      await page.getByRole('button', { name: 'Run again from here' }).click()
      await expect(page.getByRole('dialog').getByRole('region', { name: 'Affected task instances' })).toBeVisible()
      await expectAccessible(page)

      await page.goto(run)
      await page.getByRole('button', { name: 'Run again', exact: true }).click()
      await expect(page.getByRole('dialog').getByRole('region', { name: 'Affected task instances' })).toBeVisible()
      await expectAccessible(page)
    })
  })
}
