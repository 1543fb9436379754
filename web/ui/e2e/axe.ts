import AxeBuilder from '@axe-core/playwright'
import { expect, type Page } from '@playwright/test'

/** That axe finds nothing wrong with the page, once it stands still. */
export async function expectAccessible(page: Page): Promise<void> {
  await expect(page.getByRole('heading', { level: 1 })).toBeAttached()
  await expect(page.getByRole('status', { name: /^Loading|^Laying out/ })).toHaveCount(0)
  // A tooltip of what the pointer happens to rest on stands outside of all landmarks.
  await page.mouse.move(0, 0)
  await expect(page.getByRole('tooltip')).toHaveCount(0)
  // What fades in is half-transparent for a moment, and has no contrast then.
  await page.evaluate(() => Promise.all(document.getAnimations().filter((each) => each.effect?.getTiming().iterations !== Infinity).map((each) => each.finished.catch(() => null))))
  const { violations } = await new AxeBuilder({ page }).analyze()
  expect(violations.map(({ id, help, nodes }) => ({ id, help, where: nodes.map((node) => node.html) }))).toEqual([])
}
