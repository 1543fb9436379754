import { expect, password, test } from './start'

test('a wrong password is refused with a sentence', async ({ page }) => {
  await page.goto('/login')

  await page.getByLabel('User name').fill('admin')
  await page.getByRole('textbox', { name: 'Password' }).fill('not the password')
  await page.getByRole('button', { name: 'Sign in' }).click()

  await expect(page.getByRole('alert')).toHaveText('This user name and password do not match.')
  await expect(page).toHaveURL(/\/login/)
})

test('signing in leads to the page that was wanted, and signing out ends it', async ({ page }, info) => {
  await page.goto('/dags/hello?tab=runs')
  await expect(page).toHaveURL(/\/login\?to=/)

  await page.getByLabel('User name').fill('admin')
  await page.getByRole('textbox', { name: 'Password' }).fill(password(info.project.name))
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expect(page).toHaveURL(/\/dags\/hello\?tab=runs$/)
  await expect(page.getByRole('heading', { level: 1, name: 'hello' })).toBeVisible()

  await page.getByRole('button', { name: 'Account of admin' }).click()
  await page.getByRole('menuitem', { name: 'Sign out' }).click()
  await expect(page).toHaveURL(/\/login$/)
  await page.goto('/dags')
  await expect(page).toHaveURL(/\/login\?to=/)
})

test('a session that ends leads to the sign-in and back', async ({ signedIn: page }) => {
  // It is the click that finds out: no hint of the server has the page ask for anything before.
  await page.route('**/updraft/events', (route) => route.abort())
  await page.goto('/dags')
  await expect(page.getByRole('link', { name: 'hello', exact: true })).toBeVisible()

  await page.context().clearCookies()
  await page.getByRole('link', { name: 'hello', exact: true }).click()

  await expect(page).toHaveURL(/\/login\?to=%2Fdags%2Fhello/)
})
