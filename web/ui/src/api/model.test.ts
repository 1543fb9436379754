import { expect, test } from 'vitest'
import { isTryOpen, type TaskState } from './model'

test.each<[TaskState, boolean]>([
  ['queued', true],
  ['running', true],
  ['deferred', true],
  ['awaiting_input', true],
  ['up_for_reschedule', true],
  ['up_for_retry', false],
  ['none', false],
  ['success', false],
  ['failed', false],
])('the latest try of a task that is %s may write: %s', (state, open) => {
  expect(isTryOpen(state)).toBe(open)
})
