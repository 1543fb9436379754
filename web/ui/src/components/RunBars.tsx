import { Tooltip } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import type { DagRun } from '../api/model'
import { formatDateTime } from '../lib/dates'
import { elapsedSeconds, formatDuration } from '../lib/durations'
import { useNow } from '../lib/useNow'
import { paths } from '../paths'
import { RUN_FACES, RUN_TYPES } from './faces'
import classes from './RunBars.module.css'

interface Props {
  /** Newest first, as the API gives them. */
  runs: DagRun[]
  zone: string
  /** How many places there are; the older ones stay empty. */
  slots: number
}

const SHORTEST = 0.24

/** The last runs of a DAG as bars, oldest on the left: the colour is the state, the height the duration. */
export function RunBars({ runs, zone, slots }: Props) {
  const now = useNow()
  const shown = runs.slice(0, slots).reverse()
  const lengths = shown.map((run) => run.duration ?? elapsedSeconds(run.start_date, run.end_date, now) ?? 0)
  const longest = Math.max(...lengths, 0.001)
  return (
    <div className={classes.bars}>
      {Array.from({ length: Math.max(0, slots - shown.length) }, (_, place) => (
        <span key={place} className={classes.empty} />
      ))}
      {shown.map((run, place) => {
        const face = RUN_FACES[run.state]
        const seconds = lengths[place] ?? 0
        const when = formatDateTime(run.logical_date ?? run.run_after, { zone, showZone: true })
        return (
          <Tooltip
            key={run.dag_run_id}
            label={
              <>
                <b>{face.label}</b> · {RUN_TYPES[run.run_type].label}
                <br />
                {when}
                {run.start_date !== null && <> · {formatDuration(seconds)}</>}
              </>
            }
          >
            <Link
              {...paths.run(run.dag_id, run.dag_run_id)}
              className={classes.slot}
              aria-label={`${face.label}, ${RUN_TYPES[run.run_type].label} run of ${when}`}
            >
              <span
                className={classes.bar}
                data-tone={face.tone}
                data-state={run.state}
                style={{ height: `${100 * (SHORTEST + (1 - SHORTEST) * (seconds / longest))}%` }}
              />
            </Link>
          </Tooltip>
        )
      })}
    </div>
  )
}
