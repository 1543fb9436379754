import { expect, test } from 'vitest'
import { formatDateTime, formatRelative, instantFromWallClock, wallClockOf } from './dates'

test('an instant reads in the zone asked for', () => {
  const midnight = '2026-11-20T23:00:00Z'

  expect(formatDateTime(midnight, { zone: 'Europe/Berlin' })).toBe('21 Nov 2026, 00:00')
  expect(formatDateTime(midnight, { zone: 'UTC', seconds: true })).toBe('20 Nov 2026, 23:00:00')
  expect(formatDateTime(midnight, { zone: 'Europe/Berlin', showZone: true })).toMatch(/00:00 (CET|GMT\+1)$/)
})

test('a zone the browser does not know reads as UTC and says so', () => {
  expect(formatDateTime('2026-11-20T23:00:00Z', { zone: 'Mars/Olympus' })).toBe('20 Nov 2026, 23:00 UTC')
})

const NOW = Date.parse('2026-11-21T12:00:00Z')

test.each([
  ['2026-11-21T12:00:01Z', 'now'],
  ['2026-11-21T11:59:58Z', 'just now'],
  ['2026-11-21T11:59:30Z', '30 s ago'],
  ['2026-11-21T12:00:40Z', 'in 40 s'],
  ['2026-11-21T15:59:00Z', 'in 3 h'],
  ['2026-11-21T11:55:00Z', '5 min ago'],
  ['2026-11-14T11:00:00Z', '7 d ago'],
  ['2024-11-14T11:00:00Z', '2 y ago'],
])('%s is %s', (instant, text) => {
  expect(formatRelative(instant, NOW)).toBe(text)
})

test.each([
  ['2026-11-21T00:00', 'UTC', '2026-11-21T00:00:00.000Z'],
  ['2026-11-21T00:00', 'Europe/Berlin', '2026-11-20T23:00:00.000Z'],
  ['2026-07-01T12:30', 'America/New_York', '2026-07-01T16:30:00.000Z'],
  ['nonsense', 'UTC', null],
])('%s in %s is %s', (wallClock, zone, instant) => {
  expect(instantFromWallClock(wallClock, zone)).toBe(instant)
})

test.each([
  ['2026-11-20T23:00:59Z', 'Europe/Berlin', '2026-11-21T00:00'],
  ['2026-07-01T22:30:00Z', 'Europe/Berlin', '2026-07-02T00:30'],
  ['2026-11-21T03:00:00Z', 'America/New_York', '2026-11-20T22:00'],
  ['2026-11-21T00:00:00Z', 'UTC', '2026-11-21T00:00'],
])('%s in %s is %s on the clock there', (instant, zone, clock) => {
  expect(wallClockOf(Date.parse(instant), zone)).toBe(clock)
})
