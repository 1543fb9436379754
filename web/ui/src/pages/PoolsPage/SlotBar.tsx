import type { Pool } from '../../api/model'
import type { Tone } from '../../components/faces'
import { formatCount } from '../../lib/numbers'
import { ShareBar } from '../../ui/ShareBar'
import classes from './PoolsPage.module.css'
import { sharesOf, type Share } from './slots'

const TONES: Record<Share['kind'], Tone> = { running: 'active', queued: 'wait', deferred: 'parked' }

/** How much of a pool is taken, and by what; the words beside it say the same. */
export function SlotBar({ pool }: { pool: Pool }) {
  const used = `${formatCount(pool.occupied_slots)}${pool.slots < 0 ? '' : ` of ${formatCount(pool.slots)}`} used`
  return (
    <div className={classes.slots}>
      <ShareBar label={used} shares={sharesOf(pool).map(({ kind, percent }) => ({ key: kind, tone: TONES[kind], percent }))} />
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
