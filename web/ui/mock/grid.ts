import { groupOf } from '../src/components/tasks/tree'
import type { components } from '../src/api/schema.gen'
import type { Instance, RunRecord } from './db'
import type { MockDag } from './fixtures'
import { groupsView } from './views'

type Schemas = components['schemas']

/** The runs given side by side, as the server's grid has them. */
export function gridView(dag: MockDag, runs: RunRecord[]): Schemas['GridResponse'] {
  return {
    tasks: dag.tasks.map(({ id, mapped }) => ({
      task_id: id, task_display_name: id, group_id: groupOf(id) || null, is_mapped: mapped !== undefined, is_removed: false,
      downstream_task_ids: dag.tasks.filter((each) => each.after.includes(id)).map((each) => each.id),
    })),
    groups: groupsView(dag),
    runs: runs.map(({ run, instances }) => ({
      dag_run_id: run.dag_run_id, logical_date: run.logical_date, run_after: run.run_after, start_date: run.start_date, end_date: run.end_date,
      duration: run.duration, run_type: run.run_type, state: run.state, reason: run.reason, task_instances: cells([...instances.values()]),
    })),
  }
}

/** The instances by task and state. */
function cells(instances: Instance[]): Schemas['GridCellResponse'][] {
  const found = new Map<string, Instance[]>()
  for (const each of instances) {
    const key = `${each.task_id} ${each.state}`
    found.set(key, [...(found.get(key) ?? []), each])
  }
  return [...found.values()].flatMap(([first, ...others]) =>
    first === undefined
      ? []
      : [{
          task_id: first.task_id, state: first.state, count: 1 + others.length, is_mapped: first.map_index >= 0, start_date: first.start_date,
          end_date: [first, ...others].at(-1)?.end_date ?? null, try_number: first.try_number, reason: first.reason, error: first.error,
        }],
  )
}
