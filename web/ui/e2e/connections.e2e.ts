import { expectAccessible } from './axe'
import type { components } from '../src/api/schema.gen'
import { expect, test } from './start'

type Types = components['schemas']['ConnectionTypeCollectionResponse']

test('a connection is made, tested, changed without showing its secret, and deleted after a question', async ({ signedIn: page }) => {
  await page.goto('/dags')
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Connections' }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'Connections' })).toBeVisible()

  await page.getByRole('button', { name: 'New connection' }).click()
  const making = page.getByRole('dialog', { name: 'New connection' })
  await making.getByRole('button', { name: 'Make the connection' }).click()
  await expect(making.getByText('Letters, digits, dots, hyphens and underscores')).toBeVisible()
  await making.getByLabel('Connection id').fill('journey')
  await making.getByLabel('Base URL').fill('http://127.0.0.1:9')
  await making.getByLabel('Password', { exact: true }).fill('s3cret-word')
  await making.getByLabel('Description').fill('Made by a test')
  await expectAccessible(page)
  await making.getByRole('button', { name: 'Make the connection' }).click()
  const row = page.getByRole('row').filter({ hasText: 'journey' })
  await expect(row).toContainText('Made by a test')
  await expect(row).toContainText('HTTP')

  await row.getByRole('button', { name: 'Edit journey' }).click()
  const changing = page.getByRole('dialog', { name: 'Edit journey' })
  await expect(changing.getByRole('group', { name: 'Password' })).toContainText('is set')
  await changing.getByRole('combobox', { name: 'Type' }).click()
  await page.getByRole('option', { name: 'SQLite' }).click()
  await changing.getByLabel('File').fill('/nowhere.db')
  await changing.getByRole('button', { name: 'Test' }).click()
  await expect(changing.getByRole('alert')).toContainText('there is no file `/nowhere.db`')
  await expect(changing.getByRole('alert')).toBeInViewport({ ratio: 1 })
  await expectAccessible(page)
  await changing.getByRole('button', { name: 'Save' }).click()
  await expect(row).toContainText('/nowhere.db')
  await expect(row).toContainText('SQLite')

  await row.getByRole('button', { name: 'Delete journey' }).click()
  const asked = page.getByRole('dialog', { name: 'Delete the connection journey?' })
  await asked.getByRole('button', { name: 'Delete', exact: true }).click()
  await expect(page.getByText('The connection journey is deleted')).toBeVisible()
  await expect(row).toHaveCount(0)
})

test('every type of connections has its form, and a button to try it out where that can be done', async ({ signedIn: page }) => {
  const told = await page.request.get('/api/v2/updraft/connection-types')
  const { connection_types: types } = (await told.json()) as Types
  expect(types.length).toBeGreaterThan(3)
  await page.goto('/connections')
  await page.getByRole('button', { name: 'New connection' }).click()
  const making = page.getByRole('dialog', { name: 'New connection' })
  for (const type of types) {
    await making.getByRole('combobox', { name: 'Type' }).click()
    await page.getByRole('option', { name: type.label, exact: true }).click()
    for (const field of type.fields) {
      await expect(making.getByLabel(field.label, { exact: true }).first(), `${type.conn_type}: ${field.name}`).toBeVisible()
    }
    await expect(making.getByRole('button', { name: 'Test', exact: true }), type.conn_type).toHaveCount(type.can_test ? 1 : 0)
  }
})
