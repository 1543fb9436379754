import { render, screen } from '@testing-library/react'
import { expect, test } from 'vitest'
import { Owners } from './Owners'

test('owners with an address are links, and nothing else is one', () => {
  const { container } = render(<Owners dag={{ owners: ['data', 'ops', 'eve'], owner_links: { data: 'mailto:data@example.com', eve: 'javascript:alert(1)' } }} />)

  expect(screen.getByRole('link', { name: 'data' }).getAttribute('href')).toBe('mailto:data@example.com')
  expect(screen.getAllByRole('link')).toHaveLength(1)
  expect(container.textContent).toBe('data, ops, eve')
})
