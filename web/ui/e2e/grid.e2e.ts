import { expect, test } from './start'

test('the grid leads with the keyboard from the newest run to a task of an older one', async ({ signedIn: page }) => {
  await page.goto('/dags/sales_report?tab=grid')
  const grid = page.getByRole('grid', { name: 'Task instances by run' })
  await expect(grid.getByRole('link', { name: 'publish, Success' }).first()).toBeVisible()

  const newest = grid.getByRole('columnheader').getByRole('link').last()
  await newest.focus()
  await page.keyboard.press('ArrowLeft')
  await page.keyboard.press('ArrowLeft')
  await page.keyboard.press('ArrowLeft')
  await page.keyboard.press('ArrowDown')
  await expect(page.getByRole('tooltip')).toContainText('start')
  for (let step = 0; step < 8; step++) await page.keyboard.press('ArrowDown')
  await expect(page.getByRole('tooltip')).toContainText('1 failed, 5 success')
  await page.keyboard.press('Enter')

  await expect(page.getByRole('heading', { level: 1, name: 'country.report' })).toBeVisible()
  await page.goBack()
  await expect(grid).toBeVisible()
})

test('groups are folded in the grid, and sum up what is in them', async ({ signedIn: page }) => {
  await page.goto('/dags/sales_report?tab=grid')
  const grid = page.getByRole('grid')
  await expect(grid.getByRole('rowheader', { name: 'customers' })).toBeVisible()

  await grid.getByRole('button', { name: 'extract 4' }).click()

  await expect(grid.getByRole('rowheader', { name: 'customers' })).toBeHidden()
  await expect(grid.getByRole('link', { name: 'extract, Success, 4 task instances' }).first()).toBeVisible()
  await grid.getByRole('button', { name: 'extract 4' }).click()
  await expect(grid.getByRole('rowheader', { name: 'customers' })).toBeVisible()
})

test('a DAG says where its last run failed, and leads there in one click', async ({ signedIn: page }) => {
  await page.goto('/dags/flaky_import')
  await expect(page.getByText('failed at check')).toBeVisible()

  await page.getByRole('link', { name: 'Open its log' }).click()

  await expect(page.getByRole('heading', { level: 1, name: 'check' })).toBeVisible()
  await expect(page.getByRole('log')).toContainText('3 of 812 orders have no customer')
})

test('fifty runs of two hundred tasks are shown, group by group and task by task', async ({ signedIn: page }) => {
  await page.goto('/dags/wide?tab=grid&runs=50')
  const grid = page.getByRole('grid')
  await expect(grid.getByRole('link', { name: 'part_20, Success, 10 task instances' })).toHaveCount(48)

  await page.getByRole('button', { name: 'Unfold all groups' }).click()

  await expect(grid.locator('[data-row][data-column]')).toHaveCount(50 + 50 * 220)
})

test('each instance of a mapped task has its own log and tries', async ({ signedIn: page }) => {
  const reply = await page.request.get('/api/v2/dags/sales_report/dagRuns?state=failed&limit=1&offset=1')
  const { dag_runs: runs } = (await reply.json()) as { dag_runs: { dag_run_id: string }[] }
  await page.goto(`/dags/sales_report/runs/${encodeURIComponent(runs[0]?.dag_run_id ?? '')}`)
  await page.getByRole('table').getByRole('link', { name: 'country.report' }).click()

  const list = page.getByRole('table')
  await expect(list.getByRole('row')).toHaveCount(7)
  await page.getByRole('button', { name: '1 failed' }).click()
  await expect(list.getByRole('row')).toHaveCount(2)
  await list.getByRole('link', { name: 'it' }).click()

  await expect(page.getByRole('heading', { level: 1, name: 'country.report [it]' })).toBeVisible()
  await expect(page.getByRole('log')).toContainText('the command exited with code 2')
  await page.getByText('Try 1', { exact: false }).first().click()
  await expect(page).toHaveURL(/map=2/)
  await expect(page).toHaveURL(/try=1/)
  await expect(page.getByRole('log')).toContainText('Try 1 of 2')
})
