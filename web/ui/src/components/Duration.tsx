import type { TaskTry } from '../api/model'
import { elapsedSeconds, formatDuration, formatElapsed } from '../lib/durations'
import { useNow } from '../lib/useNow'

type TaskTimes = Pick<TaskTry, 'try_number' | 'start_date' | 'end_date' | 'duration'>

interface Props {
  start: string | null
  end: string | null
  /** What the server measured; used once there is an end. */
  seconds: number | null
}

/** How long something took, or has taken so far: then it counts on by itself. */
export function Duration({ start, end, seconds }: Props) {
  if (start === null) return <span>–</span>
  if (end === null) return <Growing start={start} />
  const length = seconds ?? elapsedSeconds(start, end, 0)
  return <span className="numeric">{length === null ? '–' : formatDuration(length)}</span>
}

/** How long the last try of a task took; nothing for one that was never tried, though it has an end. */
export function TaskDuration({ instance }: { instance: TaskTimes }) {
  if (instance.try_number === 0) return <span>–</span>
  return <Duration start={instance.start_date} end={instance.end_date} seconds={instance.duration} />
}

function Growing({ start }: { start: string }) {
  const seconds = elapsedSeconds(start, null, useNow()) ?? 0
  return <span className="numeric">{formatElapsed(seconds)}</span>
}
