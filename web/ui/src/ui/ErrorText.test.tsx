import { render, screen } from '@testing-library/react'
import { expect, test } from 'vitest'
import { ErrorText } from './ErrorText'

test('an error that points at a place keeps its signs below each other', () => {
  render(<ErrorText>{'no such column\n2 | SELECT titel\n  |        ^^^^^'}</ErrorText>)
  expect(screen.getByText(/no such column/).className).toContain('lines')
})

test('an error in one line is a sentence', () => {
  const { container } = render(<ErrorText>nobody answered</ErrorText>)
  expect(container.innerHTML).toBe('nobody answered')
})
