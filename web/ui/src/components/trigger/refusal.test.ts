import { expect, test } from 'vitest'
import { triggerRefusal } from './refusal'

test('a DAG is triggered unless it rules out manual runs', () => {
  expect(triggerRefusal({ allowed_run_types: null })).toBeUndefined()
  expect(triggerRefusal({ allowed_run_types: ['backfill', 'manual'] })).toBeUndefined()
  expect(triggerRefusal({ allowed_run_types: ['scheduled'] })).toContain('allowed_run_types')
})
