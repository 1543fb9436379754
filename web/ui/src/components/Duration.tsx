import { elapsedSeconds, formatDuration, formatElapsed } from '../lib/durations'
import { useNow } from '../lib/useNow'

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

function Growing({ start }: { start: string }) {
  const seconds = elapsedSeconds(start, null, useNow()) ?? 0
  return <span className="numeric">{formatElapsed(seconds)}</span>
}
