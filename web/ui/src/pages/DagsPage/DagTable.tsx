import { ActionIcon, Tooltip, UnstyledButton } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import type { DagRow } from '../../api/model'
import { RECENT_RUNS } from '../../api/queries/dags'
import { FavoriteButton } from '../../components/FavoriteButton'
import { PauseSwitch } from '../../components/PauseSwitch'
import { RunBars } from '../../components/RunBars'
import { RunStateBadge } from '../../components/StateBadge'
import { Schedule } from '../../components/Schedule'
import { Time } from '../../components/Time'
import { triggerRefusal } from '../../components/trigger/refusal'
import { paths } from '../../paths'
import { Icon } from '../../ui/Icon'
import { pressable } from '../../ui/pressable'
import { Prose } from '../../ui/Prose'
import classes from './DagsPage.module.css'

interface Props {
  dags: DagRow[]
  /** The tags that are filtered by. */
  tags: string[]
  toggleTag: (tag: string) => void
  onTrigger: (dag: DagRow) => void
  /** The rows are of the filter before, until the new ones are there. */
  stale: boolean
}

export function DagTable({ dags, tags, toggleTag, onTrigger, stale }: Props) {
  return (
    <div className={classes.sheet} data-stale={stale || undefined}>
      <table className={classes.table}>
        <thead>
          <tr>
            <th>
              <span className="visually-hidden">Active</span>
            </th>
            <th>DAG</th>
            <th>Schedule</th>
            <th>Next run</th>
            <th>Last runs</th>
            <th>
              <span className="visually-hidden">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {dags.map((dag) => (
            <Row key={dag.dag_id} dag={dag} tags={tags} toggleTag={toggleTag} onTrigger={() => onTrigger(dag)} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

interface RowProps {
  dag: DagRow
  tags: string[]
  toggleTag: (tag: string) => void
  onTrigger: () => void
}

function Row({ dag, tags, toggleTag, onTrigger }: RowProps) {
  const last = dag.recent_runs[0]
  const refusal = triggerRefusal(dag)
  return (
    <tr>
      <td className={classes.cellSwitch}>
        <PauseSwitch dagId={dag.dag_id} isPaused={dag.is_paused} />
      </td>
      <td className={classes.cellDag}>
        <div className={classes.nameLine}>
          <FavoriteButton dagId={dag.dag_id} isFavorite={dag.is_favorite} />
          <Link {...paths.dag(dag.dag_id)} className={classes.name}>
            {dag.dag_display_name}
          </Link>
          {dag.tags.map((tag) => (
            <UnstyledButton
              key={tag.name}
              className={classes.tag}
              aria-pressed={tags.includes(tag.name)}
              aria-label={`Filter by tag ${tag.name}`}
              onClick={() => toggleTag(tag.name)}
            >
              {tag.name}
            </UnstyledButton>
          ))}
          {dag.has_import_errors && (
            <Link {...paths.importErrors()} className={classes.broken} data-tone="bad">
              <Icon name="alert" size={13} /> File broken
            </Link>
          )}
        </div>
        {dag.description !== null && (
          <div className={classes.description}>
            <Prose text={dag.description} />
          </div>
        )}
      </td>
      <td className={classes.cellSchedule}>
        <Schedule dag={dag} />
      </td>
      <td className={classes.cellNext}>
        <NextRun dag={dag} />
      </td>
      <td className={classes.cellRuns}>
        <div className={classes.runs}>
          <RunBars runs={dag.recent_runs} zone={dag.timezone} slots={RECENT_RUNS} />
          {last === undefined ? (
            <span className={classes.never}>No runs yet</span>
          ) : (
            <Link {...paths.run(dag.dag_id, last.dag_run_id)} className={classes.last}>
              <RunStateBadge state={last.state} />
            </Link>
          )}
        </div>
      </td>
      <td className={classes.cellTrigger}>
        <Tooltip label={refusal ?? `Trigger ${dag.dag_id}`}>
          <ActionIcon variant="default" size={32} aria-label={`Trigger ${dag.dag_id}`} {...pressable(refusal, onTrigger)}>
            <Icon name="play" size={14} />
          </ActionIcon>
        </Tooltip>
      </td>
    </tr>
  )
}

function NextRun({ dag }: { dag: DagRow }) {
  const next = dag.next_dagrun_run_after
  if (dag.is_paused) return <span className={classes.quiet}>Paused</span>
  if (next === null) return <span className={classes.quiet}>–</span>
  return (
    <>
      <Time at={next} zone={dag.timezone} as="relative" />
      <div className={classes.exact}>
        <Time at={next} zone={dag.timezone} as="zoned" />
      </div>
    </>
  )
}
