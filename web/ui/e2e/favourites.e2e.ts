import { expect, test } from './start'

const DAG = 'monthly_closing'

test.beforeEach(async ({ signedIn: page }) => {
  // A conflict: it is none.
  expect([204, 409]).toContain((await page.request.post(`/api/v2/dags/${DAG}/unfavorite`)).status())
})

test('a DAG that has a star is found among the favourites, until the star is taken away', async ({ signedIn: page }) => {
  await page.goto('/dags')
  const link = (name: string) => page.getByRole('main').getByRole('link', { name, exact: true })
  await expect(link('hello')).toBeVisible()
  const star = page.getByRole('button', { name: `${DAG} is a favourite` })
  await expect(star).toHaveAttribute('aria-pressed', 'false')
  await star.click()
  await expect(star).toHaveAttribute('aria-pressed', 'true')

  const filter = page.getByRole('search').getByRole('button', { name: 'Favourites' })
  await filter.click()
  await expect(page).toHaveURL(/\?favorite=true$/)
  await expect(filter).toHaveAttribute('aria-pressed', 'true')
  await expect(link('hello')).toBeHidden()
  await expect(link(DAG)).toBeVisible()
  await page.reload()
  await expect(link(DAG)).toBeVisible()
  await expect(link('hello')).toBeHidden()

  // The page of the DAG knows, and the list hears of what is done there.
  await link(DAG).click()
  await expect(page.getByRole('heading', { level: 1, name: DAG })).toBeVisible()
  await expect(star).toHaveAttribute('aria-pressed', 'true')
  await star.click()
  await expect(star).toHaveAttribute('aria-pressed', 'false')
  await page.goBack()
  await expect(page.getByText('No DAG matches')).toBeVisible()
  await page.getByRole('button', { name: 'Clear the filters' }).click()
  await expect(link('hello')).toBeVisible()
  await expect(filter).toHaveAttribute('aria-pressed', 'false')
})

test('a star that the server does not take goes out again, and why is told', async ({ signedIn: page }) => {
  await page.route(`**/api/v2/dags/${DAG}/favorite`, (route) => route.fulfill({ status: 503, json: { detail: 'The database is away' } }))
  await page.goto(`/dags/${DAG}`)
  const star = page.getByRole('button', { name: `${DAG} is a favourite` })
  await star.click()
  await expect(page.getByText(`${DAG} did not change`)).toBeVisible()
  await expect(page.getByText('The database is away')).toBeVisible()
  await expect(star).toHaveAttribute('aria-pressed', 'false')
})
