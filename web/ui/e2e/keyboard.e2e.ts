import type { Locator, Page } from '@playwright/test'
import { endedRun, expect, test } from './start'

/** Presses a key on what has the focus by then, and nothing else: it is checked that the keyboard can get there. */
async function pressOn(control: Locator, key: string): Promise<void> {
  await control.focus()
  await expect(control).toBeFocused()
  await control.press(key)
}

/** Goes down in a menu that was just opened to an entry, and takes it. Another menu, left a moment ago, may still be fading out. */
async function choose(page: Page, menu: string, name: string): Promise<void> {
  const opened = page.getByRole('menu', { name: menu })
  await expect(opened.locator(':focus'), 'the menu takes the focus').toBeAttached()
  const entry = opened.getByRole('menuitem', { name })
  const entries = await opened.getByRole('menuitem').count()
  for (let down = 0; down < entries; down++) {
    await page.keyboard.press('ArrowDown')
    if (await entry.evaluate((node) => node === document.activeElement)) break
  }
  await expect(entry).toBeFocused()
  await page.keyboard.press('Enter')
}

test('with the keyboard alone: from a failed run to its log, and to what can be done about it', async ({ signedIn: page }, info) => {
  await page.goto(await endedRun(page, info, 'flaky_import', 'failed'))
  const cause = page.getByRole('region', { name: 'Cause of the failure' })
  await pressOn(cause.getByRole('link', { name: 'Open its log' }), 'Enter')
  await expect(page.getByRole('heading', { level: 1, name: 'check' })).toBeFocused()
  await expect(page.getByRole('log')).toContainText('3 of 812 orders have no customer')
  await page.getByRole('log').focus()
  await expect(page.getByRole('log')).toBeFocused()

  // The button that acts has the focus as soon as there is a dialog, and the one that led there has it again afterwards.
  const again = page.getByRole('button', { name: 'Run again from here' })
  await pressOn(again, 'Enter')
  await expect(page.getByRole('dialog', { name: 'Run again from check' }).getByRole('button', { name: /^Clear/ })).toBeFocused()
  await page.keyboard.press('Escape')
  await expect(page.getByRole('dialog')).toHaveCount(0)
  await expect(again).toBeFocused()

  const mark = page.getByRole('button', { name: 'Mark as' })
  await pressOn(mark, 'Enter')
  await choose(page, 'Mark as', 'Mark skipped')
  await expect(page.getByRole('dialog', { name: 'Mark check as skipped' }).getByRole('button', { name: /^Mark/ })).toBeFocused()
  await page.keyboard.press('Escape')
  await expect(page.getByRole('dialog')).toHaveCount(0)
  await expect(mark).toBeFocused()

  await pressOn(page.getByRole('navigation', { name: 'Breadcrumb' }).getByRole('link').last(), 'Enter')
  await expect(page.getByRole('heading', { level: 1 })).toBeFocused()
  const row = page.getByRole('button', { name: 'Actions on check' })
  await pressOn(row, 'Enter')
  await choose(page, 'Actions on check', 'Run again from here')
  await expect(page.getByRole('dialog').getByRole('button', { name: /^Clear/ })).toBeFocused()
  await page.keyboard.press('Escape')
  await expect(page.getByRole('dialog')).toHaveCount(0)
  await expect(row).toBeFocused()

  const more = page.getByRole('button', { name: 'More actions' })
  await pressOn(more, 'Enter')
  await choose(page, 'More actions', 'Mark success')
  await expect(page.getByRole('dialog', { name: 'Mark this run as success?' }).getByRole('button', { name: 'Cancel' })).toBeFocused()
  await page.keyboard.press('Enter')
  await expect(page.getByRole('dialog')).toHaveCount(0)
  await expect(more).toBeFocused()
})
