import { expectAccessible } from './axe'
import { endedRun, expect, LONG, setPaused, test } from './start'

const PAGES: [name: string, url: string][] = [
  ['the list of DAGs', '/dags'],
  ['a DAG', '/dags/hello'],
  ['the grid of a DAG', '/dags/hello?tab=grid'],
  ['the runs of a DAG', '/dags/hello?tab=runs'],
  ['the details of a DAG', '/dags/pinterest_batch?tab=details'],
  ['the source of a DAG', '/dags/hello?tab=source'],
  ['import errors', '/import-errors'],
  ['required actions', '/required-actions'],
  ['callbacks', '/callbacks'],
  ['pools', '/pools'],
  ['connections', '/connections'],
  ['variables', '/variables'],
  ['a DAG that is not there', '/dags/no_such_dag'],
  ['an address of no page', '/nowhere'],
]

for (const colorScheme of ['light', 'dark'] as const) {
  test.describe(`in ${colorScheme} colours`, () => {
    test.use({ colorScheme })

    test('the sign-in is accessible', async ({ page }) => {
      await page.goto('/login')
      await expectAccessible(page)
    })

    for (const [name, url] of PAGES) {
      test(`${name} is accessible`, async ({ signedIn: page }) => {
        await page.goto(url)
        await expectAccessible(page)
      })
    }

    test('the trigger dialog is accessible', async ({ signedIn: page }) => {
      await page.goto('/dags/pinterest_batch')
      await page.getByRole('button', { name: 'Trigger', exact: true }).click()
      await expect(page.getByRole('dialog').getByRole('heading', { name: 'Conf' })).toBeVisible()
      await expectAccessible(page)
    })

    test('a run and its task are accessible', async ({ signedIn: page }) => {
      await setPaused(page, 'hello', false)
      const reply = await page.request.post('/api/v2/dags/hello/dagRuns', { data: { logical_date: new Date().toISOString() } })
      const { dag_run_id: id } = (await reply.json()) as { dag_run_id: string }
      const run = `/dags/hello/runs/${encodeURIComponent(id)}`
      await page.goto(run)
      await expect(page.getByRole('heading', { level: 1 }).locator('..')).toContainText('Success', LONG)
      await expectAccessible(page)

      await page.goto(`${run}?tab=gantt`)
      await expect(page.getByRole('list', { name: 'Tasks in the order in which they began' })).toBeVisible()
      await expectAccessible(page)

      await page.getByRole('table').getByRole('link').first().click()
      for (const tab of ['Log', 'Result', 'Details']) {
        await page.getByRole('tab', { name: tab }).click()
        await expect(page.getByRole('tab', { name: tab })).toHaveAttribute('aria-selected', 'true')
        await expectAccessible(page)
      }
    })
  })
}

test.describe('on a narrow screen', () => {
  test.use({ viewport: { width: 400, height: 900 } })

  test('tables that scroll are reached with the keyboard', async ({ signedIn: page }, info) => {
    await page.goto('/dags/pinterest_batch?tab=details')
    await expect(page.getByRole('cell', { name: 'follower_rule' })).toBeVisible()
    await expectAccessible(page)
    await page.goto(`${await endedRun(page, info, 'flaky_import', 'failed')}/tasks/check?tab=details`)
    await expect(page.getByRole('region', { name: 'Table of tries' }).getByRole('row')).not.toHaveCount(0)
    await expectAccessible(page)
  })
})
