import { MantineProvider } from '@mantine/core'
import { act, fireEvent, render, screen } from '@testing-library/react'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { SearchField } from './SearchField'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A field on a page whose address follows only when the test says so. */
function field() {
  const told = vi.fn<(value: string) => void>()
  const shown = (value: string, isLeft = false) => (
    <MantineProvider>
      <main inert={isLeft}>
        <SearchField label="Search" value={value} onChange={told} />
      </main>
    </MantineProvider>
  )
  const { rerender } = render(shown(''))
  const input = screen.getByRole<HTMLInputElement>('searchbox')
  return {
    told,
    input,
    type: (text: string) => fireEvent.change(input, { target: { value: text } }),
    pause: () => {
      act(() => {
        vi.advanceTimersByTime(1000)
      })
    },
    addressBecomes: (value: string) => rerender(shown(value)),
    pageIsLeft: () => rerender(shown('', true)),
  }
}

test('a pause in the typing hands on what was typed, once', () => {
  const { told, type, pause } = field()
  type('o')
  type('or')
  expect(told).not.toHaveBeenCalled()
  pause()
  expect(told.mock.calls).toEqual([['or']])
})

test('what is typed while the address still follows what was typed before stays', () => {
  const { told, input, type, pause, addressBecomes } = field()
  type('or')
  pause()
  type('ord')
  pause()
  type('order')
  addressBecomes('or')
  expect(input.value).toBe('order')
  addressBecomes('ord')
  expect(input.value).toBe('order')
  pause()
  addressBecomes('order')
  expect(input.value).toBe('order')
  expect(told.mock.calls).toEqual([['or'], ['ord'], ['order']])
})

test('an address that was passed over on the way is no stranger', () => {
  const { input, type, pause, addressBecomes } = field()
  type('or')
  pause()
  type('ord')
  pause()
  addressBecomes('ord')
  expect(input.value).toBe('ord')
  // Back: that was told as well, but it is over.
  addressBecomes('or')
  expect(input.value).toBe('or')
})

test('a filter that is cleared clears the field, and nothing that was typed before comes after it', () => {
  const { told, input, type, pause, addressBecomes } = field()
  type('order')
  pause()
  addressBecomes('order')
  type('orders')
  addressBecomes('')
  expect(input.value).toBe('')
  pause()
  expect(told.mock.calls).toEqual([['order']])
})

test('what was typed and taken back is not waited for', () => {
  const { input, type, pause, addressBecomes } = field()
  type('o')
  type('')
  pause()
  addressBecomes('x')
  addressBecomes('')
  expect(input.value).toBe('')
})

test('a page that is left is not led back to by what was typed there', () => {
  const { told, type, pause, pageIsLeft } = field()
  type('order')
  pageIsLeft()
  pause()
  expect(told).not.toHaveBeenCalled()
})
