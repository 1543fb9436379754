import { expect, test } from 'vitest'
import { barOf, frameOf, spanOf } from './timeline'

const at = (second: number) => new Date(Date.UTC(2026, 10, 21, 0, 0, second)).toISOString()
const ms = (second: number) => Date.parse(at(second))

test('nothing has started: there is no frame', () => {
  expect(frameOf({ start_date: null, end_date: null }, [{ queued_when: at(1), start_date: null, end_date: null }], ms(9))).toBeNull()
})

test('the frame of a finished run is its own; that of a running one reaches to now', () => {
  const task = { queued_when: null, start_date: at(1), end_date: at(3) }

  expect(frameOf({ start_date: at(0), end_date: at(4) }, [task], ms(60))).toEqual({ start: ms(0), end: ms(4) })
  expect(frameOf({ start_date: at(0), end_date: null }, [task], ms(60))).toEqual({ start: ms(0), end: ms(60) })
})

test('a task that still runs after the end of its run is shown whole', () => {
  const task = { queued_when: null, start_date: at(1), end_date: null }

  expect(frameOf({ start_date: at(0), end_date: at(4) }, [task], ms(10))).toEqual({ start: ms(0), end: ms(10) })
})

test('a bar has a place for the queue and one for the work', () => {
  const frame = { start: ms(0), end: ms(10) }

  expect(barOf({ queued_when: at(1), start_date: at(2), end_date: at(6) }, frame, ms(60))).toEqual({
    queued: { left: '10%', width: '10%' },
    ran: { left: '20%', width: '40%' },
  })
  expect(barOf({ queued_when: null, start_date: at(5), end_date: null }, frame, ms(10))).toEqual({
    queued: null,
    ran: { left: '50%', width: '50%' },
  })
  expect(barOf({ queued_when: at(1), start_date: null, end_date: null }, frame, ms(10))).toEqual({ queued: null, ran: null })
})

test('several tasks span from the first start to the last end, or on and on', () => {
  const one = { start_date: '2026-11-21T08:00:01Z', end_date: '2026-11-21T08:00:05Z' }
  const two = { start_date: '2026-11-21T08:00:00Z', end_date: '2026-11-21T08:00:03Z' }
  expect(spanOf([one, two])).toEqual({ start_date: two.start_date, end_date: one.end_date })
  expect(spanOf([one, { ...two, end_date: null }]).end_date).toBeNull()
  expect(spanOf([one, { start_date: null, end_date: null }])).toEqual(one)
  expect(spanOf([])).toEqual({ start_date: null, end_date: null })
})
