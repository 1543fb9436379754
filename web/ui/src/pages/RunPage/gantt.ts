import type { DagRun, TaskInstance, TaskTry } from '../../api/model'
import { instanceName } from '../../components/actions/affected'
import { frameOf, type Frame } from './timeline'

type Times = Pick<TaskTry, 'try_number' | 'state' | 'scheduled_when' | 'queued_when' | 'start_date' | 'end_date' | 'duration'>

/** One stretch of a try. */
export interface GanttPiece {
  kind: 'scheduled' | 'queued' | 'ran'
  /** Shares of the frame, from 0 to 1. */
  left: number
  width: number
}

export interface GanttBar {
  attempt: Times
  pieces: GanttPiece[]
}

export interface GanttRow {
  instance: TaskInstance
  name: string
  bars: GanttBar[]
}

/** Rows at most: each has hints, and each task that was tried again is asked for its tries. */
export const ROWS_MAX = 500

/** The instances that have a row: those that began first. */
export function ganttShown(instances: readonly TaskInstance[]): TaskInstance[] {
  return [...instances].sort(byBeginning).slice(0, ROWS_MAX)
}

/**
 * The instances of a run in the order in which they began, each with a bar per try: from when it was scheduled and
 * queued to its end, or to `now`. `tries` has the earlier tries, by instance id.
 */
export function ganttRows(instances: readonly TaskInstance[], tries: ReadonlyMap<string, readonly TaskTry[]>, frame: Frame, now: number): GanttRow[] {
  return [...instances].sort(byBeginning).map((instance) => {
    const attempts: readonly Times[] = tries.get(instance.id) ?? (instance.try_number > 0 ? [instance] : [])
    return { instance, name: instanceName(instance), bars: attempts.map((attempt) => ({ attempt, pieces: pieces(attempt, frame, now) })) }
  })
}

/** The span of time that the chart shows: the run with its waiting, too. */
export function ganttFrame(run: DagRun, instances: readonly TaskInstance[], now: number): Frame | null {
  const frame = frameOf(run, [...instances], now)
  if (frame === null) return null
  const waits = instances.flatMap((each) => (each.try_number > 0 && each.try_number < 2 ? instants(each.queued_when) : []))
  return { start: Math.min(frame.start, ...waits), end: frame.end }
}

const STEPS_SECONDS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400]

export interface Tick {
  /** Share of the frame. */
  left: number
  /** Seconds since its start. */
  seconds: number
}

/** Round distances from the start, `most` of them at the most. */
export function ticks(frame: Frame, most: number): Tick[] {
  const length = (frame.end - frame.start) / 1000
  const step = STEPS_SECONDS.find((each) => length / each <= most) ?? Math.ceil(length / most / 86_400) * 86_400
  const count = Math.floor(length / step + 1e-9)
  return Array.from({ length: count + 1 }, (_, place) => {
    const seconds = Math.round(place * step * 1000) / 1000
    return { left: seconds / length, seconds }
  })
}

function pieces(attempt: Times, frame: Frame, now: number): GanttPiece[] {
  const [start] = instants(attempt.start_date)
  const [end] = instants(attempt.end_date)
  const [queued] = instants(attempt.queued_when)
  const [scheduled] = instants(attempt.scheduled_when)
  // A try that was never started has waited to its end.
  const begun = start ?? end ?? now
  const found: GanttPiece[] = []
  if (scheduled !== undefined) found.push(piece('scheduled', scheduled, queued ?? begun, frame))
  if (queued !== undefined) found.push(piece('queued', queued, begun, frame))
  if (start !== undefined) found.push(piece('ran', start, end ?? now, frame))
  return found.filter((each) => each.width > 0 || each.kind === 'ran')
}

function piece(kind: GanttPiece['kind'], from: number, to: number, frame: Frame): GanttPiece {
  const share = (at: number) => Math.min(1, Math.max(0, (at - frame.start) / (frame.end - frame.start)))
  return { kind, left: share(from), width: Math.max(0, share(to) - share(from)) }
}

/** Those that have not begun stand at the end, as they were given. */
function byBeginning(a: TaskInstance, b: TaskInstance): number {
  const [first, second] = [beginning(a), beginning(b)]
  if (first === null || second === null) return Number(first === null) - Number(second === null)
  return Date.parse(first) - Date.parse(second)
}

/** What ended without a try, such as `upstream_failed`, has a start all the same, and never began. */
function beginning(instance: TaskInstance): string | null {
  return instance.try_number === 0 ? null : (instance.queued_when ?? instance.start_date)
}

function instants(text: string | null): number[] {
  return text === null ? [] : [Date.parse(text)]
}
