import type { DagRun, RunState, TaskState } from '../api/model'
import type { IconName } from '../ui/Icon'

/** The colour families of `styles/tokens.css` that stand for states. */
export type Tone = 'good' | 'active' | 'bad' | 'notice' | 'wait' | 'blocked' | 'parked' | 'quiet'

export interface Face {
  label: string
  tone: Tone
  icon: IconName
  spinning?: boolean
}

/** Every state has a face, or it does not compile. */
export const TASK_FACES: Record<TaskState, Face> = {
  none: { label: 'Waiting', tone: 'quiet', icon: 'clock' },
  scheduled: { label: 'Scheduled', tone: 'quiet', icon: 'calendar' },
  queued: { label: 'Queued', tone: 'wait', icon: 'queue' },
  running: { label: 'Running', tone: 'active', icon: 'spinner', spinning: true },
  success: { label: 'Success', tone: 'good', icon: 'check' },
  failed: { label: 'Failed', tone: 'bad', icon: 'cross' },
  up_for_retry: { label: 'Up for retry', tone: 'notice', icon: 'retry' },
  up_for_reschedule: { label: 'Up for reschedule', tone: 'parked', icon: 'timer' },
  upstream_failed: { label: 'Upstream failed', tone: 'blocked', icon: 'ban' },
  skipped: { label: 'Skipped', tone: 'quiet', icon: 'skip' },
  deferred: { label: 'Deferred', tone: 'parked', icon: 'sleep' },
  awaiting_input: { label: 'Awaiting input', tone: 'parked', icon: 'user' },
  restarting: { label: 'Restarting', tone: 'wait', icon: 'restart' },
  removed: { label: 'Removed', tone: 'quiet', icon: 'trash' },
}

export const RUN_FACES: Record<RunState, Face> = {
  queued: { label: 'Queued', tone: 'wait', icon: 'queue' },
  running: { label: 'Running', tone: 'active', icon: 'spinner', spinning: true },
  success: { label: 'Success', tone: 'good', icon: 'check' },
  failed: { label: 'Failed', tone: 'bad', icon: 'cross' },
}

export const RUN_TYPES: Record<DagRun['run_type'], { label: string; icon: IconName }> = {
  scheduled: { label: 'Scheduled', icon: 'calendar' },
  manual: { label: 'Manual', icon: 'play' },
  backfill: { label: 'Backfill', icon: 'retry' },
  operator_triggered: { label: 'Triggered by a task', icon: 'link' },
  asset_triggered: { label: 'Triggered by assets', icon: 'database' },
  asset_materialization: { label: 'Asset materialisation', icon: 'database' },
}

const TRIGGERS: Record<NonNullable<DagRun['triggered_by']>, string> = {
  cli: 'the command line',
  operator: 'a task',
  rest_api: 'the REST API',
  ui: 'the web UI',
  test: 'a test',
  timetable: 'its schedule',
  asset: 'new data',
  backfill: 'a backfill',
}

/** Who or what started a run, as the end of "started by …"; null when nothing says so. */
export function triggeredBy(run: Pick<DagRun, 'triggered_by' | 'triggering_user_name'>): string | null {
  const channel = run.triggered_by === null ? null : TRIGGERS[run.triggered_by]
  const user = run.triggering_user_name
  if (user !== null && channel !== null) return `${user} in ${channel}`
  return user ?? channel
}
