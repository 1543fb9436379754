import { expect, test } from 'vitest'
import { backfillFace, progressOf, progressText } from './progress'

function runs(of: Partial<Parameters<typeof progressOf>[0]>) {
  return { queued: 0, running: 0, success: 0, failed: 0, ...of }
}

test('what is over fills the bar from the left', () => {
  const progress = progressOf(runs({ success: 2, failed: 1, running: 1, queued: 4 }))

  expect(progress.parts).toEqual([
    { state: 'success', count: 2, percent: 25 },
    { state: 'failed', count: 1, percent: 12.5 },
    { state: 'running', count: 1, percent: 12.5 },
    { state: 'queued', count: 4, percent: 50 },
  ])
  expect(progressText(progress)).toBe('3 of 8 runs over: 2 success, 1 failed, 1 running, 4 queued')
})

test('a backfill whose runs are gone says so', () => {
  expect(progressOf(runs({}))).toEqual({ total: 0, over: 0, parts: [] })
  expect(progressText(progressOf(runs({})))).toBe('No runs are left')
})

const OVER = '2026-11-21T00:00:00Z'

test.each([
  ['Queued', null, false, { queued: 3 }],
  ['Running', null, false, { queued: 3, running: 1 }],
  ['Paused', null, true, { queued: 3, running: 1 }],
  ['Done', OVER, false, { success: 3 }],
  ['Done', OVER, false, {}],
  ['Some failed', OVER, false, { success: 3, failed: 1 }],
  ['Failed', OVER, true, { failed: 4 }],
])('it is %s: completed %j, paused %j, runs %j', (label, completed_at, is_paused, of) => {
  expect(backfillFace({ completed_at, is_paused, runs: runs(of) }).label).toBe(label)
})
