import { expect, test } from 'vitest'
import type { Pool } from '../../api/model'
import { sharesOf } from './slots'

function pool(of: Partial<Pool>): Pool {
  return {
    name: 'etl', slots: 10, description: null, include_deferred: false, occupied_slots: 0, running_slots: 0,
    queued_slots: 0, scheduled_slots: 0, open_slots: 10, deferred_slots: 0, team_name: null, ...of,
  }
}

test('the bar shows what has slots, and nothing else', () => {
  expect(sharesOf(pool({}))).toEqual([])
  expect(sharesOf(pool({ running_slots: 4, queued_slots: 1, scheduled_slots: 7, deferred_slots: 3 }))).toEqual([
    { kind: 'running', percent: 40 },
    { kind: 'queued', percent: 10 },
  ])
  expect(sharesOf(pool({ include_deferred: true, deferred_slots: 5 }))).toEqual([{ kind: 'deferred', percent: 50 }])
})

test('a pool that was made smaller than what is taken is full', () => {
  expect(sharesOf(pool({ slots: 2, running_slots: 4 }))).toEqual([{ kind: 'running', percent: 100 }])
  expect(sharesOf(pool({ slots: 0 }))).toEqual([])
})

test('a pool without end never fills', () => {
  expect(sharesOf(pool({ slots: -1, running_slots: 4 }))).toEqual([{ kind: 'running', percent: 25 }])
  expect(sharesOf(pool({ slots: -1, running_slots: 400 }))).toEqual([{ kind: 'running', percent: 50 }])
})
