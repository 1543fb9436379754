import { act, renderHook } from '@testing-library/react'
import { expect, test } from 'vitest'
import { readParams } from './params'
import { useConfForm } from './useConfForm'

const PARAMS = readParams({
  rows: { value: 100, schema: { type: 'integer' } },
  region: { value: 'eu', schema: { type: 'string' } },
})

test('changing sides loses nothing that was typed, also what is wrong', () => {
  const { result } = renderHook(() => useConfForm(PARAMS, { other: 1 }))
  act(() => result.current.setDraft('rows', '1.5 million'))

  act(() => result.current.setMode('json'))
  expect(JSON.parse(result.current.json)).toEqual({ other: 1, rows: '1.5 million', region: 'eu' })

  act(() => result.current.setMode('form'))
  expect(result.current.drafts.rows).toBe('1.5 million')
  let read: unknown
  act(() => void (read = result.current.read()))
  expect(read, 'and the field still says what is wrong').toBeUndefined()
  expect(result.current.problems.rows).toBe('This is not a number')
})
