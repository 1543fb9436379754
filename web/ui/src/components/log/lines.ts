import type { LogLine } from '../../api/model'
import type { Tone } from '../faces'

export const LEVELS = ['debug', 'info', 'warning', 'error', 'critical'] as const
export type Level = (typeof LEVELS)[number]

export const LEVEL_FACES: Record<Level, { label: string; tone: Tone }> = {
  debug: { label: 'DEBUG', tone: 'quiet' },
  info: { label: 'INFO', tone: 'active' },
  warning: { label: 'WARN', tone: 'notice' },
  error: { label: 'ERROR', tone: 'bad' },
  critical: { label: 'CRIT', tone: 'bad' },
}

/** The level of a line. Names of other loggers mean the nearest of ours; a line without one is information. */
export function levelOf(line: LogLine): Level {
  const name = (line.level ?? 'info').toLowerCase()
  if (name === 'warn') return 'warning'
  if (name === 'trace') return 'debug'
  if (name === 'fatal') return 'critical'
  return LEVELS.find((level) => level === name) ?? 'info'
}

/** One line of the log as it is shown. */
export interface ShownLine {
  /** From one, as in the whole log. */
  number: number
  level: Level
  timestamp: string | null
  text: string
  /** What the task wrote to its error stream: no error by itself, but where one looks first. */
  stderr: boolean
  /** Opens a group; its text is the name of it. */
  heading: boolean
}

const GROUP = '::group::'
const END_OF_GROUP = '::endgroup::'

/** Lines from the level up, numbered as in the whole log. The marks that end a group have nothing to show. */
export function shownLines(log: readonly LogLine[], least: Level): ShownLine[] {
  const from = LEVELS.indexOf(least)
  const shown: ShownLine[] = []
  log.forEach((line, place) => {
    const level = levelOf(line)
    if (LEVELS.indexOf(level) < from || line.event === END_OF_GROUP) return
    const heading = line.event.startsWith(GROUP)
    shown.push({
      number: place + 1,
      level,
      timestamp: line.timestamp ?? null,
      text: plainText(heading ? line.event.slice(GROUP.length) : line.event),
      stderr: line.logger === 'stderr',
      heading,
    })
  })
  return shown
}

// Colours and cursor movements of a terminal: ESC [ … letter.
const TERMINAL_CODES = /\u001b\[[0-9;?]*[A-Za-z]/g

/** Text without what only a terminal understands. */
export function plainText(text: string): string {
  return text.replace(TERMINAL_CODES, '')
}

/** The parts of a text that match the search, and those between. The search is plain text, in any case. */
export function splitMatches(text: string, search: string): { text: string; match: boolean }[] {
  if (search === '') return [{ text, match: false }]
  const parts: { text: string; match: boolean }[] = []
  const lower = text.toLowerCase()
  const wanted = search.toLowerCase()
  // Lower case may change the length of a text (İ), and places in it would be wrong then.
  if (lower.length !== text.length) return [{ text, match: lower.includes(wanted) }]
  let from = 0
  for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, from)) {
    if (at > from) parts.push({ text: text.slice(from, at), match: false })
    parts.push({ text: text.slice(at, at + wanted.length), match: true })
    from = at + wanted.length
  }
  if (from < text.length) parts.push({ text: text.slice(from), match: false })
  return parts
}

/** The log as a file. */
export function logText(log: readonly LogLine[]): string {
  return log
    .map((line) => [line.timestamp, LEVEL_FACES[levelOf(line)].label, plainText(line.event)].filter(Boolean).join(' '))
    .join('\n')
    .concat('\n')
}
