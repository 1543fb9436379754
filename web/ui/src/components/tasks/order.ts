import type { Task } from '../../api/model'
import { byName } from '../../lib/order'

/** What of a task says where it stands. */
export type OrderedTask = Pick<Task, 'task_id' | 'downstream_task_ids'>

/** A task as the order and the graph of a DAG need it. */
export interface TaskLinks {
  id: string
  downstream: string[]
}

export function taskLinks(tasks: readonly OrderedTask[]): TaskLinks[] {
  return tasks
    .flatMap((task) =>
      task.task_id === null ? [] : [{ id: task.task_id, downstream: [...(task.downstream_task_ids ?? [])].sort(byName) }],
    )
    .sort((a, b) => byName(a.id, b.id))
}

/** The tasks as they come in a run: each after all that it waits for, and by name where that leaves a choice. */
export function inOrder(tasks: readonly OrderedTask[]): TaskLinks[] {
  const links = taskLinks(tasks)
  const waiting = new Map(links.map((task) => [task.id, 0]))
  for (const target of links.flatMap((task) => task.downstream)) waiting.set(target, (waiting.get(target) ?? 0) + 1)
  const ready = links.filter((task) => waiting.get(task.id) === 0)
  const known = new Map(links.map((task) => [task.id, task]))
  for (let place = 0; place < ready.length; place++) {
    for (const target of ready[place]?.downstream ?? []) {
      const left = (waiting.get(target) ?? 0) - 1
      waiting.set(target, left)
      const task = known.get(target)
      if (left === 0 && task !== undefined) ready.push(task)
    }
  }
  return ready
}
