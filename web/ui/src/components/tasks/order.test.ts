import { expect, test } from 'vitest'
import type { Task } from '../../api/model'
import { inOrder } from './order'

function task(task_id: string, ...downstream_task_ids: string[]): Task {
  return { task_id, downstream_task_ids } as Task
}

test('tasks come after what they wait for, and by name otherwise', () => {
  const tasks = [task('report'), task('task10', 'report'), task('task9', 'report'), task('extract', 'task9', 'task10')]
  expect(inOrder(tasks).map((each) => each.id)).toEqual(['extract', 'task9', 'task10', 'report'])
})

test('a task that is named but not there is no task', () => {
  expect(inOrder([task('a', 'gone')]).map((each) => each.id)).toEqual(['a'])
})
