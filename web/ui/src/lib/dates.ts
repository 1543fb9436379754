/** The time zone of this browser, by IANA name. */
export function localZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone
}

interface Shape {
  /** IANA name; the browser's zone when absent. */
  zone?: string
  seconds?: boolean
  /** Adds the zone's short name, such as `CET`. */
  showZone?: boolean
}

/** `21 Nov 2026, 00:00` in the zone given. A zone the browser does not know falls back to UTC. */
export function formatDateTime(instant: string | number, shape: Shape = {}): string {
  const parts: Intl.DateTimeFormatOptions = {
    day: 'numeric',
    month: 'short',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: shape.seconds === true ? '2-digit' : undefined,
    timeZoneName: shape.showZone === true ? 'short' : undefined,
    hourCycle: 'h23',
  }
  const date = new Date(instant)
  try {
    return new Intl.DateTimeFormat('en-GB', { ...parts, timeZone: shape.zone ?? localZone() }).format(date)
  } catch {
    return new Intl.DateTimeFormat('en-GB', { ...parts, timeZone: 'UTC', timeZoneName: 'short' }).format(date)
  }
}

/** `00:00:05.123` in the browser's zone: for log lines, where the day is known from the try. */
export function formatClock(instant: string): string {
  const date = new Date(instant)
  const part = (value: number, width: number) => String(value).padStart(width, '0')
  return `${part(date.getHours(), 2)}:${part(date.getMinutes(), 2)}:${part(date.getSeconds(), 2)}.${part(date.getMilliseconds(), 3)}`
}

const UNITS: [seconds: number, label: string][] = [
  [365 * 86_400, 'y'],
  [30 * 86_400, 'mo'],
  [86_400, 'd'],
  [3600, 'h'],
  [60, 'min'],
]

/** `in 3 h`, `5 min ago`, `just now`: one unit, rounded towards now. */
export function formatRelative(instant: string, now: number): string {
  const seconds = (Date.parse(instant) - now) / 1000
  const size = Math.abs(seconds)
  const unit = UNITS.find(([length]) => size >= length)
  if (unit === undefined) {
    if (seconds > 5) return `in ${Math.floor(size)} s`
    return size < 10 ? (seconds > 0 ? 'now' : 'just now') : `${Math.floor(size)} s ago`
  }
  const text = `${Math.floor(size / unit[0])} ${unit[1]}`
  return seconds > 0 ? `in ${text}` : `${text} ago`
}

/**
 * The instant that a `datetime-local` field means in the zone given, as ISO 8601 in UTC; null for text that is no
 * date. A wall-clock time that daylight saving skips moves on by the length of the gap.
 */
export function instantFromWallClock(wallClock: string, zone: string): string | null {
  const asUtc = Date.parse(`${wallClock}Z`)
  if (Number.isNaN(asUtc)) return null
  // Twice, because the offset at the first guess may be that of the other side of a change.
  const guess = asUtc - zoneOffset(asUtc, zone)
  return new Date(asUtc - zoneOffset(guess, zone)).toISOString()
}

/** The other way round: what a `datetime-local` field shows of an instant in the zone given, to the minute. */
export function wallClockOf(instant: number, zone: string): string {
  return new Date(instant + zoneOffset(instant, zone)).toISOString().slice(0, 16)
}

/** Milliseconds that the zone is ahead of UTC at the instant. */
function zoneOffset(instant: number, zone: string): number {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  }).formatToParts(new Date(instant))
  const part = (type: string) => Number(parts.find((each) => each.type === type)?.value ?? 0)
  const wall = Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'))
  return wall - Math.floor(instant / 1000) * 1000
}
