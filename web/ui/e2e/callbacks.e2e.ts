import { rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expectAccessible } from './axe'
import { expect, LONG, needed, test } from './start'

const file = () => join(needed('UPDRAFT_DAGS_FOLDER'), 'tells_nobody.yaml')

/** Refuses what it is told, and asks to be left alone for longer than this goes on: only a person has it told again. */
let receiver: Server
let listens = false

test.beforeAll(async () => {
  receiver = createServer((request, response) => {
    request.resume()
    if (listens) response.writeHead(204)
    else response.writeHead(503, { 'Retry-After': '7200' })
    response.end()
  })
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
  const { port } = receiver.address() as AddressInfo
  const url = `http://127.0.0.1:${port}/hook`
  writeFileSync(
    file(),
    `schedule: null\nis_paused_upon_creation: false\non_success_callback: {webhook: "${url}"}\ntasks: [{task_id: only, operator: empty}]\n`,
  )
})

test.afterAll(() => {
  rmSync(file(), { force: true })
  receiver.close()
})

test('a person sees what could not be told, and lets it be told again', async ({ signedIn: page }) => {
  const data = { logical_date: new Date().toISOString() }
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
  await expect(row).toContainText('Retrying', LONG)
  await expect(row).toContainText('answered 503')
  await expectAccessible(page)
  await page.getByRole('link', { name: 'Of all runs' }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'Callbacks' })).toBeVisible()
  await page.getByText('Waiting', { exact: true }).first().click()
  await expect(row).toContainText('tells_nobody')
  await expectAccessible(page)

  listens = true
  await row.getByRole('button', { name: 'Tell on_success_callback again now' }).click()
  await page.getByText('Delivered', { exact: true }).first().click()
  await expect(row).toContainText('Delivered', LONG)
  await expect(row.getByRole('button')).toHaveCount(0)
})
