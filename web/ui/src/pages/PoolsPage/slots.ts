import type { Pool } from '../../api/model'

export interface Share {
  kind: 'running' | 'queued' | 'deferred'
  /** Of the bar. */
  percent: number
}

/**
 * What the bar of a pool is made of. A pool that was made smaller than what is taken is full, not fuller; one without end
 * shows what is taken in proportion, and never fills.
 */
export function sharesOf(pool: Pool): Share[] {
  const taken: [Share['kind'], number][] = [
    ['running', pool.running_slots],
    ['queued', pool.queued_slots],
    ['deferred', pool.include_deferred ? pool.deferred_slots : 0],
  ]
  const sum = taken.reduce((all, [, slots]) => all + slots, 0)
  const whole = pool.slots < 0 ? Math.max(sum * 2, 16) : Math.max(pool.slots, sum)
  return taken.filter(([, slots]) => slots > 0).map(([kind, slots]) => ({ kind, percent: (slots / whole) * 100 }))
}
