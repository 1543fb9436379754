import { Skeleton } from '@mantine/core'
import { plural } from '../../lib/numbers'
import { Notice } from '../../ui/Notice'
import { Prose } from '../../ui/Prose'
import { Time } from '../Time'
import classes from './Backfill.module.css'

interface Props {
  /** In the order in which they would run; undefined until the server has answered. */
  dates: string[] | undefined
  zone: string
  /** The list belongs to the choices before these. */
  stale: boolean
  /** Why there would be none, in the server's words. */
  refusal: string | undefined
}

/** Drawn at most: nobody reads further. */
const MOST = 200

/** The dates that a backfill would run. */
export function PlannedRuns({ dates, zone, stale, refusal }: Props) {
  if (refusal !== undefined) {
    return (
      <Notice tone="notice" icon="alert" title="Nothing would be run">
        <Prose text={refusal} />
      </Notice>
    )
  }
  if (dates === undefined) return <Skeleton height={96} role="status" aria-label="Asking which dates would be run" />
  const rest = dates.length - MOST
  return (
    <section className={classes.plan} aria-label="Dates that would be run" aria-busy={stale}>
      <h3 className={classes.planTitle}>{dates.length === 0 ? 'Nothing would be run' : plural(dates.length, 'date')}</h3>
      {dates.length === 0 ? (
        <p className={classes.nothing}>Every date of the range has a run, and these are left as they are.</p>
      ) : (
        // A list that scrolls is reached with the keyboard too.
        <div className={classes.scroll} data-stale={stale || undefined} tabIndex={0} role="group" aria-label="List of dates that would be run">
          <ol className={classes.dates}>
            {dates.slice(0, MOST).map((date) => (
              <li key={date}>
                <Time at={date} zone={zone} as="zoned" />
              </li>
            ))}
          </ol>
          {rest > 0 && <p className={classes.nothing}>and {plural(rest, 'more', 'more')}</p>}
        </div>
      )}
    </section>
  )
}
