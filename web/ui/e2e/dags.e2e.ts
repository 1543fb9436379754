import { expect, setPaused, test } from './start'

test('the list shows each DAG with its schedule', async ({ signedIn: page }) => {
  await page.goto('/')

  const row = page.getByRole('row').filter({ has: page.getByRole('link', { name: 'pinterest_batch', exact: true }) })
  await expect(row).toContainText('Every day at 00:00')
  await expect(row).toContainText('@daily')
  await expect(row.getByRole('button', { name: 'Trigger pinterest_batch' })).toBeVisible()
})

test('search and filters are in the address', async ({ signedIn: page }) => {
  await page.goto('/dags')
  await expect(page.getByRole('link', { name: 'hello', exact: true })).toBeVisible()

  await page.keyboard.press('/')
  await page.keyboard.type('pinter')
  await expect(page).toHaveURL(/\?q=pinter$/)
  await expect(page.getByRole('link', { name: 'hello', exact: true })).toBeHidden()
  await expect(page.getByRole('link', { name: 'pinterest_batch', exact: true })).toBeVisible()

  await page.reload()
  await expect(page.getByRole('searchbox', { name: 'Search DAGs by name' })).toHaveValue('pinter')
  await expect(page.getByRole('link', { name: 'pinterest_batch', exact: true })).toBeVisible()

  await page.getByRole('searchbox', { name: 'Search DAGs by name' }).fill('no such dag')
  await page.getByRole('button', { name: 'Clear the filters' }).click()
  await expect(page.getByRole('link', { name: 'hello', exact: true })).toBeVisible()
})

test('paused and active are told apart, and a switch survives a reload', async ({ signedIn: page }) => {
  await setPaused(page, 'pinterest_batch', true)
  await page.goto('/dags?paused=true')
  const pause = page.getByRole('switch', { name: /^pinterest_batch is/ })
  await expect(pause).not.toBeChecked()

  await page.goto('/dags/pinterest_batch')
  await page.getByRole('switch', { name: 'Paused' }).click()
  await expect(page.getByText('pinterest_batch is active')).toBeVisible()
  await expect(page.getByRole('switch', { name: 'Active' })).toBeChecked()

  await page.reload()
  await expect(page.getByRole('switch', { name: 'Active' })).toBeChecked()
  await page.goto('/dags?paused=true')
  await expect(page.getByRole('heading', { name: 'DAGs' })).toBeVisible()
  await expect(page.getByRole('link', { name: 'pinterest_batch', exact: true })).toBeHidden()
  await setPaused(page, 'pinterest_batch', true)
})

test('a DAG shows its runs, its params and its source', async ({ signedIn: page }) => {
  await page.goto('/dags/pinterest_batch')
  await expect(page.getByRole('heading', { level: 1, name: 'pinterest_batch' })).toBeVisible()
  await expect(page.getByText('task6_part1')).toBeVisible()

  await page.getByRole('tab', { name: 'Details' }).click()
  await expect(page).toHaveURL(/tab=details/)
  await expect(page.getByRole('cell', { name: 'follower_rule' })).toBeVisible()
  await expect(page.getByRole('heading', { name: 'Next runs' })).toBeVisible()

  await page.getByRole('tab', { name: 'Source' }).click()
  await expect(page.getByLabel('Source of pinterest_batch')).toContainText('schedule:')

  await page.getByRole('tab', { name: 'Runs' }).click()
  await expect(page).toHaveURL(/tab=runs/)
})

test('a DAG and its groups are shown by their second names, and the DAG with its id', async ({ signedIn: page }) => {
  await page.goto('/dags/quarter_end')

  await expect(page.getByRole('heading', { level: 1, name: 'End of the quarter' })).toBeVisible()
  await expect(page.getByRole('button', { name: 'Copy quarter_end' })).toBeVisible()
  const group = page.getByRole('button', { name: 'The books 1' })
  await expect(group).toHaveAttribute('aria-expanded', 'true')
  await expect(page.getByText('close', { exact: true })).toBeVisible()

  await group.click()

  await expect(page.getByRole('button', { name: /^The books/ })).toHaveAttribute('aria-expanded', 'false')
  await expect(page.getByText('close', { exact: true })).toBeHidden()
})

test('an owner of whom the DAG says where to reach them is a link', async ({ signedIn: page }) => {
  await page.goto('/dags/monthly_closing')
  const owners = page.getByRole('main').locator('dt', { hasText: 'Owner' }).first().locator('..')
  await expect(owners).toContainText('auditors')
  await expect(owners.getByRole('link')).toHaveText(['ledger-team'])
  await expect(owners.getByRole('link', { name: 'ledger-team' })).toHaveAttribute('href', 'mailto:ledger@example.com')
})

test('a DAG that allows no runs by hand cannot be triggered, and says why to whoever comes there with the keyboard', async ({ signedIn: page }) => {
  const why = page.getByRole('tooltip', { name: 'This DAG allows no manual runs (allowed_run_types)' })
  await page.goto('/dags/monthly_closing')
  const trigger = page.getByRole('button', { name: 'Trigger', exact: true })
  await expect(trigger).toBeDisabled()
  await trigger.focus()
  await expect(why).toBeVisible()
  await page.keyboard.press('Enter')
  await trigger.click({ force: true })
  await expect(page.getByRole('dialog')).toHaveCount(0)

  await page.getByRole('tab', { name: 'Runs' }).click()
  await expect(page.getByRole('tabpanel').getByRole('button', { name: 'Trigger', exact: true })).toBeDisabled()

  await page.goto('/dags')
  await expect(page.getByRole('button', { name: 'Trigger monthly_closing' })).toBeDisabled()
  await page.getByRole('button', { name: 'Trigger monthly_closing' }).focus()
  await expect(why).toBeVisible()
  await expect(page.getByRole('button', { name: 'Trigger hello' })).toBeEnabled()
})

test('the colours that were chosen are remembered', async ({ signedIn: page }) => {
  await page.goto('/dags')

  await page.getByRole('button', { name: 'Switch to dark colours' }).click()
  await page.reload()

  await expect(page.getByRole('button', { name: 'Switch to light colours' })).toBeVisible()
  await expect(page.locator('html')).toHaveAttribute('data-mantine-color-scheme', 'dark')
})
