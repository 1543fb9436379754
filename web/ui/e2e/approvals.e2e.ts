import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from '@playwright/test'
import { expectAccessible } from './axe'
import { expect, LONG, needed, test } from './start'

const DAG = `schedule: null
is_paused_upon_creation: false
tasks:
  - task_id: publish
    operator: approval
    subject: Publish the figures?
    body: "There are **three** rows, of \`orders\`."
    params: {shown: {type: integer, minimum: 1, default: 100, description: Rows that are shown}}
  - task_id: show
    operator: bash
    bash_command: echo {{ ti.xcom_pull('publish').params_input.shown }}
    dependencies: [publish]
  - task_id: again
    operator: trigger_dag
    trigger_dag_id: asks_people_target
    dependencies: [publish]
`

const file = () => join(needed('UPDRAFT_DAGS_FOLDER'), 'asks_people.yaml')
const target = () => join(needed('UPDRAFT_DAGS_FOLDER'), 'asks_people_target.yaml')

test.beforeAll(() => {
  // First the one that the other triggers: who finds that one finds both.
  writeFileSync(target(), 'schedule: null\nis_paused_upon_creation: false\ntasks: [{task_id: only, operator: empty}]\n')
  writeFileSync(file(), DAG)
})

test.afterAll(() => {
  rmSync(file(), { force: true })
  rmSync(target(), { force: true })
})

/** A run whose first task asks. */
async function asked(page: Page): Promise<string> {
  const trigger = () => page.request.post('/api/v2/dags/asks_people/dagRuns', { data: { logical_date: new Date().toISOString() } })
  let id = ''
  await expect
    .poll(async () => {
      const reply = await trigger()
      id = reply.ok() ? ((await reply.json()) as { dag_run_id: string }).dag_run_id : ''
      return id
    })
    .not.toBe('')
  return id
}

test('a person finds a question, answers it, and the task goes on', async ({ signedIn: page }) => {
  const run = await asked(page)
  await page.goto('/dags')
  const link = page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Required actions' })
  await expect(link).toContainText('1')
  await link.click()
  await expect(page.getByRole('heading', { level: 2, name: 'Publish the figures?' })).toBeVisible()
  await expectAccessible(page)

  await page.getByRole('main').getByRole('link', { name: 'publish', exact: true }).click()
  // The page left shows the same question until the next one is there, and what is typed there is gone with it.
  await expect(page.getByRole('heading', { level: 1, name: 'publish' })).toBeVisible()
  await expect(page.getByRole('heading', { level: 2, name: 'Publish the figures?' })).toBeVisible()
  await expect(page.getByText('three', { exact: true })).toBeVisible()
  await page.getByLabel('shown').fill('0')
  await page.getByRole('button', { name: 'Approve' }).click()
  await expect(page.getByText('This must be at least 1')).toBeVisible()
  await page.getByLabel('shown').fill('7')
  await page.getByRole('button', { name: 'Approve' }).click()

  await expect(page.getByText('said by admin')).toBeVisible()
  await expect(page.getByRole('heading', { level: 1 }).locator('..')).toContainText('Success')
  await page.goto(`/dags/asks_people/runs/${encodeURIComponent(run)}`)
  await expect(page.getByRole('heading', { level: 1 }).locator('..')).toContainText('Success', LONG)

  await page.goto(`/dags/asks_people/runs/${encodeURIComponent(run)}/tasks/again`)
  await page.getByRole('link', { name: 'Triggered DAG' }).click()
  await expect(page).toHaveURL(/\/dags\/asks_people_target\/runs\//)
})

test('a rejection skips what comes after, and nothing waits any more', async ({ signedIn: page }) => {
  const run = await asked(page)
  await page.goto('/required-actions')
  await page.getByRole('button', { name: 'Reject' }).click()

  await expect(page.getByText('Nothing waits for you')).toBeVisible()
  await expectAccessible(page)
  await page.goto(`/dags/asks_people/runs/${encodeURIComponent(run)}/tasks/show`)
  await expect(page.getByRole('heading', { level: 1 }).locator('..')).toContainText('Skipped')
})
