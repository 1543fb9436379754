import type { BackfillBody } from '../../api/model'
import { instantFromWallClock, wallClockOf } from '../../lib/dates'
import { readConf } from '../trigger/params'

export type Reprocess = 'none' | 'failed' | 'completed'

/** What the fields of the form hold. */
export interface Draft {
  /** On the clock of the DAG's time zone, as `datetime-local` writes it; so is `to`. */
  from: string
  to: string
  reprocess: Reprocess
  maxActiveRuns: number | string
  newestFirst: boolean
  /** Undefined: as the DAG says (`rerun_with_latest_version`). */
  keepVersion: boolean | undefined
  /** JSON. */
  conf: string
}

const DAYS_AT_FIRST = 7
/** As the server's own default. */
const MAX_ACTIVE_RUNS = 10

/** The last week. */
export function freshDraft(now: number, zone: string): Draft {
  const today = wallClockOf(now, zone).slice(0, 10)
  const from = new Date(Date.parse(`${today}T00:00Z`) - DAYS_AT_FIRST * 86_400_000).toISOString().slice(0, 10)
  return {
    from: `${from}T00:00`,
    to: `${today}T00:00`,
    reprocess: 'none',
    maxActiveRuns: MAX_ACTIVE_RUNS,
    newestFirst: false,
    keepVersion: undefined,
    conf: '',
  }
}

export type Problems = Partial<Record<keyof Draft, string>>

/** What the fields ask for, or what is wrong with them. */
export function readDraft(draft: Draft, dagId: string, zone: string): { body: BackfillBody } | { problems: Problems } {
  const from = instantFromWallClock(draft.from, zone)
  const to = instantFromWallClock(draft.to, zone)
  const conf = readConf(draft.conf)
  const problems: Problems = {}
  if (from === null) problems.from = 'A date and a time are needed'
  if (to === null) problems.to = 'A date and a time are needed'
  if (from !== null && to !== null && from > to) problems.to = 'This is before the first date'
  const most = draft.maxActiveRuns
  if (typeof most !== 'number' || !Number.isInteger(most) || most < 1) problems.maxActiveRuns = 'A whole number from 1'
  if ('problem' in conf) problems.conf = conf.problem
  if (Object.keys(problems).length > 0 || typeof most !== 'number' || 'problem' in conf) return { problems }
  return {
    body: {
      dag_id: dagId,
      from_date: from,
      to_date: to,
      reprocess_behavior: draft.reprocess,
      max_active_runs: most,
      run_backwards: draft.newestFirst,
      dag_run_conf: conf.conf,
      run_on_latest_version: draft.keepVersion === undefined ? undefined : !draft.keepVersion,
    },
  }
}
