import { isRunFinished, type Backfill, type RunState } from '../../api/model'
import { plural } from '../../lib/numbers'
import { RUN_FACES, type Face } from '../faces'

type Counts = Backfill['runs']

/** What is over comes first, so that the bar grows from the left. */
const ORDER: RunState[] = ['success', 'failed', 'running', 'queued']

export interface Progress {
  total: number
  over: number
  /** The states that occur, in the order of the bar. */
  parts: { state: RunState; count: number; percent: number }[]
}

export function progressOf(runs: Counts): Progress {
  const total = ORDER.reduce((sum, state) => sum + runs[state], 0)
  const parts = ORDER.filter((state) => runs[state] > 0).map((state) => ({ state, count: runs[state], percent: (100 * runs[state]) / total }))
  const over = parts.reduce((sum, { state, count }) => sum + (isRunFinished(state) ? count : 0), 0)
  return { total, over, parts }
}

/** The bar in words. */
export function progressText({ total, over, parts }: Progress): string {
  if (total === 0) return 'No runs are left'
  const states = parts.map(({ state, count }) => `${count} ${RUN_FACES[state].label.toLowerCase()}`)
  return `${over} of ${plural(total, 'run')} over: ${states.join(', ')}`
}

/** How a backfill is doing as a whole. */
export function backfillFace({ completed_at, is_paused, runs }: Pick<Backfill, 'completed_at' | 'is_paused' | 'runs'>): Face {
  if (completed_at === null) {
    if (is_paused) return { label: 'Paused', tone: 'notice', icon: 'pause' }
    return runs.running > 0 ? RUN_FACES.running : RUN_FACES.queued
  }
  if (runs.failed === 0) return { label: 'Done', tone: 'good', icon: 'check' }
  return { label: runs.success === 0 ? 'Failed' : 'Some failed', tone: 'bad', icon: 'cross' }
}
