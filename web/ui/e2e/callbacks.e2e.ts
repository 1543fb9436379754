import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expectAccessible } from './axe'
import { expect, needed, test } from './start'

const DAG = `schedule: null
is_paused_upon_creation: false
on_success_callback: {command: [sh, -c, "test -e {{ params.file }}"]}
params: {file: {type: string}}
tasks: [{task_id: only, operator: empty}]
`

const file = () => join(needed('UPDRAFT_DAGS_FOLDER'), 'tells_nobody.yaml')
const flag = () => join(needed('UPDRAFT_DAGS_FOLDER'), 'somebody_listens')

test.beforeAll(() => writeFileSync(file(), DAG))

test.afterAll(() => {
  rmSync(file())
  rmSync(flag())
})

test('a person sees what could not be told, and lets it be told again', async ({ signedIn: page }) => {
  const data = { logical_date: new Date().toISOString(), conf: { file: flag() } }
  let run = ''
  await expect
    .poll(async () => {
      const reply = await page.request.post('/api/v2/dags/tells_nobody/dagRuns', { data })
      run = reply.ok() ? ((await reply.json()) as { dag_run_id: string }).dag_run_id : ''
      return run
    })
    .not.toBe('')

  await page.goto(`/dags/tells_nobody/runs/${encodeURIComponent(run)}`)
  const row = page.getByRole('row').filter({ hasText: 'on_success_callback' })
  await expect(row).toContainText('Retrying', { timeout: 60_000 })
  await expect(row).toContainText('exit code 1')
  await expectAccessible(page)
  await page.getByRole('link', { name: 'Of all runs' }).click()
  await page.getByText('Waiting', { exact: true }).first().click()
  await expect(row).toContainText('tells_nobody')
  await expectAccessible(page)

  writeFileSync(flag(), '')
  await row.getByRole('button', { name: 'Tell on_success_callback again now' }).click()
  await page.getByText('Delivered', { exact: true }).first().click()
  await expect(row).toContainText('Delivered', { timeout: 60_000 })
  await expect(row.getByRole('button')).toHaveCount(0)
})
