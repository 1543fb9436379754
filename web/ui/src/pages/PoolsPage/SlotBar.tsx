import type { Pool } from '../../api/model'
import type { Tone } from '../../components/faces'
import { formatCount } from '../../lib/numbers'
import classes from './PoolsPage.module.css'
import { sharesOf } from './slots'

const TONES: Record<string, Tone> = { running: 'active', queued: 'wait', deferred: 'parked' }

/** How much of a pool is taken, and by what; the words beside it say the same. */
export function SlotBar({ pool }: { pool: Pool }) {
  const shares = sharesOf(pool)
  const used = `${formatCount(pool.occupied_slots)}${pool.slots < 0 ? '' : ` of ${formatCount(pool.slots)}`} used`
  return (
    <div className={classes.slots}>
      <div className={classes.track} role="img" aria-label={used}>
        {shares.map(({ kind, percent }) => (
          <span key={kind} className={classes.share} data-tone={TONES[kind]} style={{ width: `${percent}%` }} />
        ))}
      </div>
      <span className={classes.words}>
        {used}
        {pool.slots >= 0 && pool.open_slots === 0 && (
          <span className={classes.full} data-tone="notice">
            full
          </span>
        )}
      </span>
    </div>
  )
}
