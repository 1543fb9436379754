import AxeBuilder from '@axe-core/playwright'
import type { Page } from '@playwright/test'
import { expect, setPaused, test } from './start'

const PAGES: [name: string, url: string][] = [
  ['the list of DAGs', '/dags'],
  ['a DAG', '/dags/hello'],
  ['the runs of a DAG', '/dags/hello?tab=runs'],
  ['the details of a DAG', '/dags/pinterest_batch?tab=details'],
  ['the source of a DAG', '/dags/hello?tab=source'],
  ['import errors', '/import-errors'],
  ['pools', '/pools'],
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
      await expect(page.getByRole('heading', { level: 1 }).locator('..')).toContainText('Success', { timeout: 60_000 })
      await expectAccessible(page)

      await page.getByRole('table').getByRole('link').first().click()
      for (const tab of ['Log', 'Result', 'Details']) {
        await page.getByRole('tab', { name: tab }).click()
        await expectAccessible(page)
      }
    })
  })
}

async function expectAccessible(page: Page): Promise<void> {
  await expect(page.getByRole('heading', { level: 1 })).toBeAttached()
  await expect(page.getByRole('status', { name: /^Loading|^Laying out/ })).toHaveCount(0)
  // What fades in is half-transparent for a moment, and has no contrast then.
  await page.evaluate(() => Promise.all(document.getAnimations().filter((each) => each.effect?.getTiming().iterations !== Infinity).map((each) => each.finished.catch(() => null))))
  const { violations } = await new AxeBuilder({ page }).analyze()
  expect(violations.map(({ id, help, nodes }) => ({ id, help, where: nodes.map((node) => node.html) }))).toEqual([])
}
