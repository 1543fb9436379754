import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, needed, test } from './start'

test('a DAG file that does not load is shown with the place of the mistake', async ({ signedIn: page }, info) => {
  // The mock has a broken file from the start; a real server gets one in its folder.
  const file = info.project.name === 'mock' ? null : join(needed('UPDRAFT_DAGS_FOLDER'), 'broken.yaml')
  await page.goto('/dags')
  await expect(page.getByRole('link', { name: 'hello', exact: true })).toBeVisible()

  try {
    if (file !== null) await writeFile(file, 'description: A file with a mistake\nshedule: "@daily"\ntasks: []\n')
    await page.getByRole('link', { name: /does not load/ }).click()
    await expect(page).toHaveURL(/\/import-errors$/)
    await expect(page.getByText('broken.yaml', { exact: true })).toBeVisible()
    await expect(page.getByRole('region', { name: 'Error in broken.yaml' })).toContainText('shedule')
  } finally {
    if (file !== null) await rm(file, { force: true })
  }
  if (file !== null) await expect(page.getByText('broken.yaml', { exact: true })).toBeHidden()
})
