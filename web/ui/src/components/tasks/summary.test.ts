import { expect, test } from 'vitest'
import type { TaskInstance } from '../../api/model'
import { byTask, firstFailed, stateShown, summaryOf } from './summary'

type State = TaskInstance['state']

test.each<[State[], string]>([
  [['success', 'success'], 'success'],
  [['success', 'failed', 'running'], 'failed'],
  [['success', 'running', 'queued'], 'queued'],
  [['success', null], 'none'],
  [['skipped', 'success'], 'success'],
  [['removed'], 'removed'],
])('%j is in all %s', (states, state) => {
  expect(summaryOf(states.map((each) => ({ state: each })))?.state).toBe(state)
})

test('a summary counts, and nothing has no summary', () => {
  expect(summaryOf([{ state: 'success' }, { state: 'failed' }, { state: 'success' }])).toEqual({
    state: 'failed',
    total: 3,
    counts: [
      ['failed', 1],
      ['success', 2],
    ],
  })
  expect(summaryOf([])).toBeNull()
  expect(summaryOf([{ state: 'success', count: 5 }, { state: 'failed', count: 1 }])?.total).toBe(6)
})

test('a state that none is in any more is not filtered by', () => {
  const shown = (asked: 'running' | 'success' | null) => stateShown({ state: 'success', total: 1, counts: [['success', 1]] }, asked)
  expect([shown('running'), shown('success'), shown(null)]).toEqual([null, 'success', null])
})

function instance(task_id: string, map_index: number, state: State = null, end_date: string | null = null): TaskInstance {
  return { task_id, map_index, state, end_date } as TaskInstance
}

test('instances of a mapped task stand together, by index', () => {
  const tasks = byTask([instance('map', 10), instance('one', -1), instance('map', 2)])
  expect([...tasks].map(([id, list]) => [id, list.map((each) => each.map_index)])).toEqual([
    ['map', [2, 10]],
    ['one', [-1]],
  ])
})

test('the first failure is the one that ended first', () => {
  const late = instance('late', -1, 'failed', '2026-11-21T08:00:09Z')
  const early = instance('early', -1, 'failed', '2026-11-21T08:00:01Z')
  expect(firstFailed([late, early, instance('good', -1, 'success')])).toBe(early)
  expect(firstFailed([])).toBeUndefined()
})
