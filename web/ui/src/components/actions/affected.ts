import type { AffectedInstance } from '../../api/model'

export interface AffectedRun {
  runId: string
  /** The logical date, or when the run was due. */
  at: string
  instances: AffectedInstance[]
}

/** What an action touches, run by run from the oldest, each in the order of the answer. */
export function affectedByRun(instances: readonly AffectedInstance[]): AffectedRun[] {
  const runs = new Map<string, AffectedRun>()
  for (const instance of instances) {
    const at = instance.logical_date ?? instance.run_after
    const run = runs.get(instance.dag_run_id) ?? { runId: instance.dag_run_id, at, instances: [] }
    run.instances.push(instance)
    runs.set(run.runId, run)
  }
  return [...runs.values()].sort((a, b) => Date.parse(a.at) - Date.parse(b.at))
}

/** `process`, or for an instance of a mapped task `process [3]`, or `process [berlin]` where it has a name. */
export function instanceName(instance: Pick<AffectedInstance, 'task_id' | 'task_display_name' | 'map_index' | 'rendered_map_index'>): string {
  const name = instance.task_display_name ?? instance.task_id
  if (instance.map_index < 0) return name
  return `${name} [${instance.rendered_map_index ?? instance.map_index}]`
}
