import { expect, test } from 'vitest'
import type { TaskInstance, TaskTry } from '../../api/model'
import { ganttRows, ganttShown, ROWS_MAX, ticks } from './gantt'

const START = Date.parse('2026-11-21T08:00:00Z')
const FRAME = { start: START, end: START + 10_000 }
const at = (seconds: number) => new Date(START + seconds * 1000).toISOString()

function times(try_number: number, queued: number | null, start: number | null, end: number | null) {
  const text = (seconds: number | null) => (seconds === null ? null : at(seconds))
  return { try_number, scheduled_when: null, queued_when: text(queued), start_date: text(start), end_date: text(end), duration: null, state: null }
}

function instance(task_id: string, ...rest: Parameters<typeof times>): TaskInstance {
  return { id: task_id, task_id, map_index: -1, rendered_map_index: null, ...times(...rest) } as TaskInstance
}

test('a bar waits from when it was queued, and runs to its end', () => {
  const [row] = ganttRows([instance('a', 1, 1, 2, 6)], new Map(), FRAME, START)
  expect(row?.bars[0]?.pieces).toEqual([
    { kind: 'queued', left: 0.1, width: 0.1 },
    { kind: 'ran', left: 0.2, width: expect.closeTo(0.4) as number },
  ])
})

test('each try has a bar, and one under way reaches to now', () => {
  const tries = new Map([['a', [times(1, 0, 1, 2), times(2, 4, 5, null)] as TaskTry[]]])
  const [row] = ganttRows([instance('a', 2, 4, 5, null)], tries, FRAME, START + 8000)

  expect(row?.bars.map((bar) => bar.attempt.try_number)).toEqual([1, 2])
  expect(row?.bars[1]?.pieces.at(-1)).toEqual({ kind: 'ran', left: 0.5, width: expect.closeTo(0.3) as number })
})

test('tasks stand as they began, and those that have not at the end without a bar', () => {
  const rows = ganttRows([instance('never', 0, null, null, null), instance('late', 1, 5, 6, 7), instance('early', 1, 0, 1, 2)], new Map(), FRAME, START)
  expect(rows.map((row) => [row.name, row.bars.length])).toEqual([
    ['early', 1],
    ['late', 1],
    ['never', 0],
  ])
})

test('of thousands those have a row that began first', () => {
  const waiting = Array.from({ length: 3000 }, (_, index) => instance(`waits${index}`, 0, null, null, null))
  const shown = ganttShown([...waiting, instance('late', 1, 5, 6, 7), instance('early', 1, 0, 1, 2)])
  expect(shown).toHaveLength(ROWS_MAX)
  expect(shown.slice(0, 3).map((each) => each.task_id)).toEqual(['early', 'late', 'waits0'])
})

test.each([
  [10, [0, 2, 4, 6, 8, 10]],
  [47, [0, 10, 20, 30, 40]],
  [0.35, [0, 0.1, 0.2, 0.3]],
  [7200, [0, 1800, 3600, 5400, 7200]],
])('%d s are marked at round distances', (seconds, marks) => {
  expect(ticks({ start: 0, end: seconds * 1000 }, 5).map((tick) => tick.seconds)).toEqual(marks)
})
