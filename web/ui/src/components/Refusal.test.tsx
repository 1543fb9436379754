import { MantineProvider } from '@mantine/core'
import { render, screen } from '@testing-library/react'
import { expect, test, vi } from 'vitest'
import { Refusal } from './Refusal'

test('each refusal comes into sight, once', () => {
  const scrolled = vi.spyOn(Element.prototype, 'scrollIntoView').mockImplementation(() => undefined)
  const shown = (error: unknown) => (
    <MantineProvider>
      <Refusal title="The pool was not saved" error={error} />
    </MantineProvider>
  )
  const { rerender } = render(shown(null))
  expect(scrolled).not.toHaveBeenCalled()

  const first = new Error('name: is taken\nslots: is not a number')
  rerender(shown(first))
  rerender(shown(first))
  expect(scrolled.mock.contexts).toEqual([screen.getByRole('alert')])
  rerender(shown(new Error('name: is taken')))
  expect(scrolled).toHaveBeenCalledTimes(2)
})
