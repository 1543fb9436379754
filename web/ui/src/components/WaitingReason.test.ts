import { expect, test } from 'vitest'
import { commonReason } from './WaitingReason'

test('a queued run waits for what most of its tasks wait for', () => {
  const paused = { reason: 'the DAG is paused' }
  expect(commonReason([{ reason: 'waits for a' }, paused, paused, { reason: null }])).toBe('the DAG is paused')
  expect(commonReason([{ reason: null }])).toBeNull()
})
