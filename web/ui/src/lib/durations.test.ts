import { expect, test } from 'vitest'
import { elapsedSeconds, formatDuration, formatElapsed, timeDeltaSeconds } from './durations'

test.each([
  [0, '0 s'],
  [0.4, '400 ms'],
  [1.25, '1.3 s'],
  [2, '2 s'],
  [9.96, '10 s'],
  [59.4, '59 s'],
  [60, '1 min 00 s'],
  [125, '2 min 05 s'],
  [3600, '1 h 00 min'],
  [3840, '1 h 04 min'],
  [86_400, '1 d 00 h'],
  [266_400, '3 d 02 h'],
  [-1, '–'],
  [Number.NaN, '–'],
])('%f seconds read %s', (seconds, text) => {
  expect(formatDuration(seconds)).toBe(text)
})

test('what still grows counts whole seconds', () => {
  expect([0, 0.9, 3.2, 61.5].map(formatElapsed)).toEqual(['0 s', '0 s', '3 s', '1 min 01 s'])
})

test('elapsed time ends with the task, else now', () => {
  const start = '2026-11-21T00:00:00Z'
  const now = Date.parse('2026-11-21T00:01:00Z')

  expect(elapsedSeconds(null, null, now)).toBeNull()
  expect(elapsedSeconds(start, null, now)).toBe(60)
  expect(elapsedSeconds(start, '2026-11-21T00:00:30Z', now)).toBe(30)
  expect(elapsedSeconds('2026-11-21T00:02:00Z', null, now)).toBe(0)
})

test('a time delta adds its parts', () => {
  expect(timeDeltaSeconds({ days: 1, seconds: 30, microseconds: 500_000 })).toBe(86_430.5)
})
