import { expectAccessible } from './axe'
import { expect, newestRun, test } from './start'

test('what the server refuses stands at the top of the form', async ({ signedIn: page }) => {
  await page.goto('/dags/pinterest_batch')
  await page.getByRole('button', { name: 'Trigger', exact: true }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel(/^User id/).fill('ffffffffffff')

  await dialog.getByRole('button', { name: /trigger$/i }).last().click()

  await expect(dialog.getByRole('alert')).toContainText('Invalid input for param user_id: no such user')
})

test('a lost connection is said, and found again', async ({ signedIn: page }) => {
  await page.goto('/dags')
  await expect(page.getByRole('link', { name: 'hello', exact: true })).toBeVisible()

  // A stream that is open stays open, so the page is loaded once more with the way to it cut.
  await page.route('**/updraft/events', (route) => route.abort())
  await page.reload()
  const strip = page.getByText('Connection lost – reconnecting')
  await expect(strip).toBeVisible()

  await page.unroute('**/updraft/events')
  await expect(strip).toBeHidden()
})

test('a page that is not there says so', async ({ signedIn: page }) => {
  await page.goto('/dags/no_such_dag')
  await expect(page.getByText('There is nothing here')).toBeVisible()
  await expect(page.getByText('The Dag with ID: `no_such_dag` was not found')).toBeVisible()

  await page.goto('/nowhere')
  await expect(page.getByText('There is no such page')).toBeVisible()
})

test('the cause of a failure stands on the run, and the log says more', async ({ signedIn: page }) => {
  await page.goto('/dags?state=failed')
  await page.getByRole('link', { name: 'Failed', exact: true }).click()

  const cause = page.getByRole('region', { name: 'Cause of the failure' })
  await expect(cause).toContainText('check failed after 2 tries')
  await expect(cause).toContainText('3 of 812 orders have no customer')

  await cause.getByRole('link', { name: 'Open its log' }).click()
  await expect(page.getByRole('log')).toContainText('3 of 812 orders have no customer')
  await page.keyboard.press('/')
  await page.keyboard.type('rows')
  const tools = page.getByRole('toolbar', { name: 'Log' })
  await expect(tools.getByText('1 of 2')).toBeVisible()
  await page.keyboard.press('Enter')
  await expect(tools.getByText('2 of 2')).toBeVisible()

  await page.getByText('Try 1', { exact: false }).first().click()
  await expect(page).toHaveURL(/try=1/)
})

for (const colorScheme of ['light', 'dark'] as const) {
  test.describe(`in ${colorScheme} colours`, () => {
    test.use({ colorScheme })

    test('the face of every state is accessible', async ({ signedIn: page }) => {
      await page.goto(await newestRun(page, 'every_state', 'running'))
      await expect(page.getByRole('table').getByText('Up for reschedule')).toBeVisible()
      await expectAccessible(page)
      await page.goto('/dags/every_state?tab=grid')
      await expect(page.getByRole('grid').getByRole('link', { name: 'state_removed, Removed' })).toBeVisible()
      await expectAccessible(page)
    })
  })
}
