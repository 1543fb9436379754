import type { DagRun, TaskInstance } from '../../api/model'

/** The span of time that is drawn, in milliseconds since 1970. */
export interface Frame {
  start: number
  end: number
}

interface Piece {
  left: string
  width: string
}

export interface TimelineBar {
  /** From when it was queued to when it started. */
  queued: Piece | null
  /** From start to end. */
  ran: Piece | null
}

type RunTimes = Pick<DagRun, 'start_date' | 'end_date'>
type TaskTimes = Pick<TaskInstance, 'queued_when' | 'start_date' | 'end_date'>

const SHORTEST_MS = 1

/** From the first thing that happened in the run to the last, or to now; null when nothing has happened. */
export function frameOf(run: RunTimes, tasks: TaskTimes[], now: number): Frame | null {
  const starts = [run.start_date, ...tasks.map((task) => task.start_date)].flatMap(instant)
  if (starts.length === 0) return null
  const start = Math.min(...starts)
  const ends = [run.end_date, ...tasks.map((task) => task.end_date)].flatMap(instant)
  const open = run.end_date === null || tasks.some((task) => task.start_date !== null && task.end_date === null)
  const end = Math.max(start + SHORTEST_MS, ...ends, ...(open ? [now] : []))
  return { start, end }
}

/** Where a task lies in the frame. A task that has not ended reaches to `now`. */
export function barOf(task: TaskTimes, frame: Frame, now: number): TimelineBar {
  const [queued] = instant(task.queued_when)
  const [start] = instant(task.start_date)
  const [end] = instant(task.end_date)
  return {
    queued: queued !== undefined && start !== undefined && queued < start ? piece(queued, start, frame) : null,
    ran: start === undefined ? null : piece(start, end ?? now, frame),
  }
}

/** From the first start among several to the last end; without an end while one of them goes on. */
export function spanOf(tasks: readonly Pick<TaskTimes, 'start_date' | 'end_date'>[]): Pick<TaskTimes, 'start_date' | 'end_date'> {
  const begun = tasks.filter((task) => task.start_date !== null)
  const ends = begun.flatMap((task) => (task.end_date === null ? [] : [task.end_date]))
  const start = begun.map((task) => task.start_date ?? '').sort()[0] ?? null
  return { start_date: start, end_date: ends.length < begun.length ? null : (ends.sort().at(-1) ?? null) }
}

function piece(from: number, to: number, frame: Frame): Piece {
  const length = frame.end - frame.start
  const share = (at: number) => Math.min(1, Math.max(0, (at - frame.start) / length))
  const left = share(from)
  return { left: percent(left), width: percent(Math.max(0, share(to) - left)) }
}

function percent(share: number): string {
  return `${Math.round(share * 1e4) / 100}%`
}

function instant(text: string | null): number[] {
  return text === null ? [] : [Date.parse(text)]
}
