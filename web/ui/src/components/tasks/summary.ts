import { taskState, type TaskInstance, type TaskState } from '../../api/model'

/** From the state that matters most to the one that matters least (Airflow 3: the summary of groups and mapped tasks). */
const BY_WEIGHT: TaskState[] = [
  'failed',
  'upstream_failed',
  'up_for_retry',
  'awaiting_input',
  'up_for_reschedule',
  'queued',
  'scheduled',
  'deferred',
  'running',
  'restarting',
  'none',
  'success',
  'skipped',
  'removed',
]

/** Many task instances at a glance. */
export interface Summary {
  /** The state that matters most among them. */
  state: TaskState
  total: number
  /** The states that occur, with how often, the weightiest first. */
  counts: [state: TaskState, count: number][]
}

/** Sums up task instances, each of which may stand for as many as its `count` says. */
export function summaryOf(instances: readonly (Pick<TaskInstance, 'state'> & { count?: number })[]): Summary | null {
  if (instances.length === 0) return null
  const found = new Map<TaskState, number>()
  let total = 0
  for (const instance of instances) {
    const state = taskState(instance)
    const count = instance.count ?? 1
    found.set(state, (found.get(state) ?? 0) + count)
    total += count
  }
  const counts = BY_WEIGHT.flatMap((state): [TaskState, number][] => {
    const count = found.get(state)
    return count === undefined ? [] : [[state, count]]
  })
  return { state: counts[0]?.[0] ?? 'none', total, counts }
}

/** The state that somebody filters by: none any more when none is in it, for then there is no button either to see all again. */
export function stateShown({ counts }: Summary, asked: TaskState | null): TaskState | null {
  return counts.some(([state]) => state === asked) ? asked : null
}

/** The instances by their task: one, or those of a mapped task. */
export function byTask(instances: readonly TaskInstance[]): Map<string, TaskInstance[]> {
  const tasks = new Map<string, TaskInstance[]>()
  for (const instance of instances) {
    const list = tasks.get(instance.task_id)
    if (list === undefined) tasks.set(instance.task_id, [instance])
    else list.push(instance)
  }
  for (const list of tasks.values()) list.sort((a, b) => a.map_index - b.map_index)
  return tasks
}

/** The instance that failed first: where to look. */
export function firstFailed(instances: readonly TaskInstance[]): TaskInstance | undefined {
  const failed = instances.filter((each) => each.state === 'failed')
  return failed.sort((a, b) => (a.end_date ?? '').localeCompare(b.end_date ?? ''))[0]
}
