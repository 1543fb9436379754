import { expectAccessible } from './axe'
import { expect, test } from './start'

test('variables are made, changed, hidden when their name says so, and deleted after a question', async ({ signedIn: page }) => {
  await page.goto('/dags')
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Variables' }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'Variables' })).toBeVisible()

  const make = async (name: string, value: string) => {
    await page.getByRole('button', { name: 'New variable' }).click()
    const making = page.getByRole('dialog', { name: 'New variable' })
    await making.getByLabel('Name').fill(name)
    await making.getByLabel('Value').fill(value)
    await making.getByRole('button', { name: 'Make the variable' }).click()
    await expect(page.getByText(`The variable ${name} is there`)).toBeVisible()
    await expect(making).toBeHidden()
  }
  await make('journey_limits', '{"rows": 5}')
  await make('journey_token', 's3cret-word')
  const limits = page.getByRole('row').filter({ hasText: 'journey_limits' })
  await expect(limits).toContainText('{"rows": 5}')
  const token = page.getByRole('row').filter({ hasText: 'journey_token' })
  await expect(token).toContainText('***')

  await limits.getByRole('button', { name: 'Edit journey_limits' }).click()
  const changing = page.getByRole('dialog', { name: 'Edit journey_limits' })
  await changing.getByLabel('Value').fill('{"rows": 6}')
  await expectAccessible(page)
  await changing.getByRole('button', { name: 'Save' }).click()
  await expect(limits).toContainText('{"rows": 6}')

  for (const [name, row] of [['journey_limits', limits], ['journey_token', token]] as const) {
    await row.getByRole('button', { name: `Delete ${name}` }).click()
    const asked = page.getByRole('dialog', { name: `Delete the variable ${name}?` })
    await asked.getByRole('button', { name: 'Delete', exact: true }).click()
    await expect(page.getByText(`The variable ${name} is deleted`)).toBeVisible()
    await expect(row).toHaveCount(0)
  }
})
