import { MantineProvider } from '@mantine/core'
import { render, screen } from '@testing-library/react'
import { expect, test } from 'vitest'
import { CodeBlock } from './CodeBlock'
import { Reason } from '../components/Reason'

const PAGE = 'https://dbc-1.cloud.databricks.com/?o=1#job/0/run/7'

test('the page of a run is a link, in its XCom and in the reason for which a task waits', () => {
  const { unmount } = render(<CodeBlock text={PAGE} label="run_page_url" />, { wrapper: MantineProvider })
  expect(screen.getByRole('link', { name: PAGE }).getAttribute('href')).toBe(PAGE)
  unmount()
  const { container } = render(<Reason text={`waits for run 7 of Databricks, ${PAGE}`} />)
  expect(screen.getByRole('link', { name: PAGE }).getAttribute('href')).toBe(PAGE)
  expect(container.textContent).toBe(`waits for run 7 of Databricks, ${PAGE}`)
})
