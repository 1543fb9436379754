import { expect, test } from 'vitest'
import { progressOf } from './progress'

test('the newest line of the logger `progress` says how far a try has come', () => {
  const log = [
    { event: '10 %: 100 of 1000 rows landed', logger: 'progress' },
    { event: '40 %: 400 of 1000 rows landed', logger: 'progress' },
    { event: '99 %: not this one', logger: 'stdout' },
  ]

  expect(progressOf(log)).toEqual({ percent: 40, text: '400 of 1000 rows landed' })
  expect(progressOf([{ event: '400 rows landed', logger: 'progress' }])).toEqual({ percent: null, text: '400 rows landed' })
  expect(progressOf([{ event: '40 %: x' }])).toBeNull()
})
