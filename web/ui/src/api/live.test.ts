import type { QueryKey } from '@tanstack/react-query'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { gather, staleKeys } from './live'

test.each([
  [{ kind: 'dag', dag_id: 'hello' }, [['dags'], ['dag', 'hello']]],
  [{ kind: 'dag_run', dag_id: 'hello', dag_run_id: 'r1' }, [['dags'], ['dag', 'hello', 'runs'], ['run', 'hello', 'r1']]],
  [
    { kind: 'task_instance', dag_id: 'hello', dag_run_id: 'r1', task_id: 'say' },
    [['run', 'hello', 'r1', 'tasks'], ['run', 'hello', 'r1', 'task', 'say']],
  ],
  [{ kind: 'import_error' }, [['import-errors'], ['dags']]],
  [{ kind: 'resync' }, [[]]],
] as const)('a hint names what is stale: %j', (hint, stale) => {
  expect(staleKeys(hint)).toEqual(stale)
})

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('hints are gathered, each key once', async () => {
  const batches: QueryKey[][] = []
  const stale = gather((batch) => {
    batches.push(batch)
    return Promise.resolve()
  })

  stale.add([['dags'], ['run', 'a']])
  stale.add([['dags']])
  await vi.runAllTimersAsync()

  expect(batches).toEqual([[['dags'], ['run', 'a']]])
})

test('a batch waits for the one before it, and none is lost', async () => {
  const batches: QueryKey[][] = []
  let finish: (() => void) | undefined
  const stale = gather((batch) => {
    batches.push(batch)
    return new Promise((resolve) => {
      finish = resolve
    })
  })

  stale.add([['first']])
  await vi.runAllTimersAsync()
  stale.add([['second']])
  await vi.runAllTimersAsync()
  expect(batches).toEqual([[['first']]])

  finish?.()
  await vi.runAllTimersAsync()
  expect(batches).toEqual([[['first']], [['second']]])
})
