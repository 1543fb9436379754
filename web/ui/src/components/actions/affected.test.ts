import { expect, test } from 'vitest'
import type { TaskInstance } from '../../api/model'
import { affectedByRun, instanceName } from './affected'

function instance(dag_run_id: string, at: string, task_id: string, map_index = -1): TaskInstance {
  return { dag_run_id, logical_date: at, run_after: at, task_id, map_index, rendered_map_index: null } as TaskInstance
}

test('what is touched stands by run, oldest first, and as the server gives it within', () => {
  const found = affectedByRun([
    instance('later', '2026-11-22T00:00:00Z', 'extract', 0),
    instance('later', '2026-11-22T00:00:00Z', 'extract', 1),
    instance('earlier', '2026-11-21T00:00:00Z', 'load'),
    instance('later', '2026-11-22T00:00:00Z', 'clean'),
  ])

  expect(found.map((run) => [run.runId, run.instances.map(instanceName)])).toEqual([
    ['earlier', ['load']],
    ['later', ['extract [0]', 'extract [1]', 'clean']],
  ])
})

test('a mapped instance goes by its own name when it has one', () => {
  expect(instanceName({ task_id: 'process', map_index: 2, rendered_map_index: 'berlin' })).toBe('process [berlin]')
})
