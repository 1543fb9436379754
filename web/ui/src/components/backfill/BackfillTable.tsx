import { Link } from '@tanstack/react-router'
import type { Backfill } from '../../api/model'
import { formatCount } from '../../lib/numbers'
import { paths } from '../../paths'
import { Icon } from '../../ui/Icon'
import { ShareBar } from '../../ui/ShareBar'
import { ActionsHead, Table } from '../../ui/Table'
import { RUN_FACES } from '../faces'
import { FaceBadge } from '../StateBadge'
import { Time } from '../Time'
import classes from './Backfill.module.css'
import { BackfillActions } from './BackfillActions'
import { backfillFace, progressOf, progressText, type Progress } from './progress'

interface Props {
  backfills: Backfill[]
  /** The zone of the DAG, when all are of one; the reader's own otherwise, and the DAG is named. */
  zone?: string
}

/** Backfills with how far each is. */
export function BackfillTable({ backfills, zone }: Props) {
  return (
    <Table
      className={classes.table}
      head={
        <>
          {zone === undefined && <th>DAG</th>}
          <th>Dates</th>
          <th>State</th>
          <th>Runs</th>
          <th className={classes.wide}>How</th>
          <th className={classes.wide}>Made</th>
          <ActionsHead />
        </>
      }
    >
      {backfills.map((backfill) => (
        <Row key={backfill.id} backfill={backfill} zone={zone} />
      ))}
    </Table>
  )
}

const EXISTING: Record<string, string> = {
  none: 'leaves dates that have a run',
  failed: 'runs again what failed',
  completed: 'runs everything again',
}

function Row({ backfill, zone }: { backfill: Backfill; zone: string | undefined }) {
  const as = zone === undefined ? 'exact' : 'zoned'
  const user = backfill.triggering_user_name
  return (
    <tr>
      {zone === undefined && (
        <td className={classes.dag}>
          <Link {...paths.dagBackfills(backfill.dag_id)}>{backfill.dag_id}</Link>
        </td>
      )}
      <td className={classes.range}>
        <Time at={backfill.from_date} zone={zone} as={as} />
        <div>
          <span className={classes.quiet}>to</span> <Time at={backfill.to_date} zone={zone} as={as} />
        </div>
      </td>
      <td>
        <FaceBadge face={backfillFace(backfill)} />
        <div className={classes.quiet}>Backfill {backfill.id}</div>
      </td>
      <td className={classes.runs}>
        <RunsOf backfill={backfill} />
      </td>
      <td className={classes.wide}>
        {formatCount(backfill.max_active_runs)} at a time
        <div className={classes.quiet}>{EXISTING[backfill.reprocess_behavior]}</div>
      </td>
      <td className={classes.wide}>
        <Time at={backfill.created_at} zone={zone} as="relative" />
        <div className={classes.quiet}>by {user ?? 'a command'}</div>
      </td>
      <td className={classes.last}>{backfill.completed_at === null && <BackfillActions backfill={backfill} />}</td>
    </tr>
  )
}

/** What has not begun is the empty part of the bar. */
function shareOf({ state, percent }: Progress['parts'][number]) {
  return { key: state, tone: state === 'queued' ? undefined : RUN_FACES[state].tone, percent }
}

/** How many runs are in each state, as a bar and in numbers that lead to them. */
function RunsOf({ backfill }: { backfill: Backfill }) {
  const progress = progressOf(backfill.runs)
  if (progress.total === 0) return <span className={classes.quiet}>{progressText(progress)}</span>
  return (
    <>
      <div className={classes.bar}>
        <ShareBar label={progressText(progress)} shares={progress.parts.map(shareOf)} />
        <span className={classes.over}>
          {formatCount(progress.over)} of {formatCount(progress.total)}
        </span>
      </div>
      <ul className={classes.tally} aria-label="Runs by state">
        {progress.parts.map(({ state, count }) => (
          <li key={state} data-tone={RUN_FACES[state].tone}>
            <Link {...paths.backfillRuns(backfill.dag_id, state)}>
              <Icon name={RUN_FACES[state].icon} size={13} spinning={RUN_FACES[state].spinning} />
              {formatCount(count)} {RUN_FACES[state].label.toLowerCase()}
            </Link>
          </li>
        ))}
      </ul>
    </>
  )
}
