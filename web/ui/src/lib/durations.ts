/**
 * A length of time for reading, from seconds: `0.4 s`, `12 s`, `2 min 05 s`, `1 h 04 min`, `3 d 02 h`.
 * Two units at most: nobody compares the seconds of a run of hours.
 */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return '–'
  if (Number.isInteger(seconds) && seconds < 60) return `${seconds} s`
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} min`
  const hours = Math.round(seconds / 3600)
  return `${Math.floor(hours / 24)} d ${pad(hours % 24)} h`
}

/** The same for what still grows: whole seconds, so that it counts and does not flicker. */
export function formatElapsed(seconds: number): string {
  return formatDuration(Math.floor(seconds))
}

/** Seconds between two instants; to `now` while there is no end; null before the start. */
export function elapsedSeconds(start: string | null, end: string | null, now: number): number | null {
  if (start === null) return null
  const until = end === null ? now : Date.parse(end)
  return Math.max(0, (until - Date.parse(start)) / 1000)
}

/** What our API writes for `retry_delay` and `execution_timeout`, in seconds. */
export function timeDeltaSeconds(delta: { days: number; seconds: number; microseconds: number }): number {
  return delta.days * 86_400 + delta.seconds + delta.microseconds / 1e6
}

function pad(value: number): string {
  return String(value).padStart(2, '0')
}
