import { expect, test } from 'vitest'
import { levelOf, logText, plainText, shownLines, splitMatches } from './lines'

test.each([
  ['info', 'info'],
  ['WARN', 'warning'],
  ['trace', 'debug'],
  ['fatal', 'critical'],
  ['notice', 'info'],
  [null, 'info'],
  [undefined, 'info'],
])('level %s is shown as %s', (level, shown) => {
  expect(levelOf({ event: 'x', level })).toBe(shown)
})

test('lines keep their numbers when some are left out', () => {
  const log = [
    { event: '::group::Set up', level: 'info' },
    { event: 'reading', level: 'debug' },
    { event: '::endgroup::', level: 'info' },
    { event: '\u001b[31mbroken\u001b[0m', level: 'error', timestamp: '2026-11-21T00:00:00Z', logger: 'stderr' },
  ]

  expect(shownLines(log, 'info')).toEqual([
    { number: 1, level: 'info', timestamp: null, text: 'Set up', stderr: false, heading: true },
    { number: 4, level: 'error', timestamp: '2026-11-21T00:00:00Z', text: 'broken', stderr: true, heading: false },
  ])
  expect(shownLines(log, 'debug')).toHaveLength(3)
  expect(shownLines(log, 'critical')).toEqual([])
})

test('terminal codes go', () => {
  expect(plainText('\u001b[1;32mok\u001b[0m \u001b[2Kdone')).toBe('ok done')
})

test.each([
  ['Read 10 rows', 'row', [['Read 10 ', false], ['row', true], ['s', false]]],
  ['aAa', 'a', [['a', true], ['A', true], ['a', true]]],
  ['nothing', 'x', [['nothing', false]]],
  ['a.b', '.', [['a', false], ['.', true], ['b', false]]],
  ['all', '', [['all', false]]],
  ['İstanbul', 'stan', [['İstanbul', true]]],
])('%s searched for "%s"', (text, search, parts) => {
  expect(splitMatches(text, search).map((part) => [part.text, part.match])).toEqual(parts)
})

test('the file has time, level and text', () => {
  const log = [{ event: 'hello', level: 'info', timestamp: '2026-11-21T00:00:00Z' }, { event: 'bye' }]

  expect(logText(log)).toBe('2026-11-21T00:00:00Z INFO hello\nINFO bye\n')
})
