import type { LogLine } from '../../api/model'

/** How far a try has come, by its own words. */
export interface Progress {
  /** 0 to 100; null when nobody knows how much there is to do. */
  percent: number | null
  text: string
}

/** The logger of lines that say how far a try has come. */
const LOGGER = 'progress'
const PERCENT = /^(\d{1,3}) %: /

/** The newest word on how far a try has come; null when it says nothing of that. */
export function progressOf(log: readonly LogLine[]): Progress | null {
  const line = log.findLast((each) => each.logger === LOGGER)
  if (line === undefined) return null
  const found = PERCENT.exec(line.event)
  if (found === null) return { percent: null, text: line.event }
  return { percent: Math.min(100, Number(found[1])), text: line.event.slice(found[0].length) }
}
