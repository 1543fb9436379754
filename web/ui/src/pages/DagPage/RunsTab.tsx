import { SegmentedControl } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import type { DagRun, RunState, RunType } from '../../api/model'
import { messageOf } from '../../api/errors'
import { dagRunsQuery, RUNS_PER_PAGE } from '../../api/queries/runs'
import { Duration } from '../../components/Duration'
import { RUN_FACES, RUN_TYPES, triggeredBy } from '../../components/faces'
import { PagePending } from '../../components/PagePending'
import { Reason } from '../../components/Reason'
import { RunStateBadge } from '../../components/StateBadge'
import { Time } from '../../components/Time'
import { TriggerButton } from '../../components/trigger/TriggerButton'
import { formatDuration } from '../../lib/durations'
import { plural } from '../../lib/numbers'
import { paths } from '../../paths'
import type { DagSearch } from '../../search'
import { EmptyMessage } from '../../ui/EmptyMessage'
import { Icon } from '../../ui/Icon'
import { Pages } from '../../ui/Pages'
import { Panel } from '../../ui/Panel'
import { Table } from '../../ui/Table'
import classes from './RunsTab.module.css'

const route = getRouteApi('/signed-in/dags/$dagId')

interface Props {
  dagId: string
  zone: string
  search: DagSearch
  /** Why the DAG cannot be triggered. */
  refusal: string | undefined
  onTrigger: () => void
}

export function RunsTab({ dagId, zone, search, refusal, onTrigger }: Props) {
  const navigate = route.useNavigate()
  const page = search.page ?? 1
  const runs = useQuery(dagRunsQuery(dagId, { page: page - 1, state: search.state, type: search.type }))
  if (runs.isError) {
    return (
      <EmptyMessage icon="alert" title="The runs could not be read">
        {messageOf(runs.error)}
      </EmptyMessage>
    )
  }
  if (runs.data === undefined) return <PagePending />
  const total = runs.data.total_entries ?? 0
  const pages = Math.ceil(total / RUNS_PER_PAGE)
  return (
    <Panel
      flush
      title={
        search.type === undefined ? (
          plural(total, 'run')
        ) : (
          <TypeTitle type={search.type} total={total} onAll={() => void navigate({ search: { tab: 'runs', state: search.state }, replace: true })} />
        )
      }
      aside={
        <SegmentedControl
          size="xs"
          aria-label="State"
          value={search.state ?? 'all'}
          onChange={(value) => {
            const state = (Object.keys(RUN_FACES) as RunState[]).find((each) => each === value)
            void navigate({ search: { tab: 'runs', state, type: search.type }, replace: true })
          }}
          data={[
            { value: 'all', label: 'All' },
            ...(Object.keys(RUN_FACES) as RunState[]).map((state) => ({ value: state, label: RUN_FACES[state].label })),
          ]}
        />
      }
    >
      {runs.data.dag_runs.length === 0 ? (
        search.type !== undefined ? (
          <EmptyMessage icon="search" title="There are no such runs" />
        ) : search.state === undefined ? (
          <EmptyMessage icon="play" title="No runs yet">
            <p>Unpause the DAG to let it run on its schedule, or trigger it now.</p>
            <TriggerButton variant="default" refusal={refusal} onClick={onTrigger} />
          </EmptyMessage>
        ) : (
          <EmptyMessage icon="search" title={`No run is in the state ${RUN_FACES[search.state].label.toLowerCase()}`} />
        )
      ) : (
        <RunTable runs={runs.data.dag_runs} zone={zone} />
      )}
      <Pages total={pages} page={page} onChange={(to) => void navigate({ search: { ...search, page: to > 1 ? to : undefined } })} />
    </Panel>
  )
}

/** Says that only runs of one type are listed, and takes that back. */
function TypeTitle({ type, total, onAll }: { type: RunType; total: number; onAll: () => void }) {
  return (
    <span className={classes.typeTitle}>
      {plural(total, 'run')} of the type {RUN_TYPES[type].label.toLowerCase()}
      <button type="button" className={classes.all} onClick={onAll}>
        Show all types
      </button>
    </span>
  )
}

function RunTable({ runs, zone }: { runs: DagRun[]; zone: string }) {
  const longest = Math.max(0.001, ...runs.map((run) => run.duration ?? 0))
  const hasNotes = runs.some((run) => run.note !== null)
  const hasPartitions = runs.some((run) => run.partition_key !== null)
  return (
    <Table
      className={classes.table}
      head={
        <>
          <th>Logical date</th>
          {hasPartitions && <th>Partition</th>}
          <th>State</th>
          <th className={classes.wide}>Type</th>
          <th className={classes.wide}>Started</th>
          <th>Duration</th>
          <th className={classes.wide}>Started by</th>
          {hasNotes && <th className={classes.wide}>Note</th>}
        </>
      }
    >
      {runs.map((run) => (
        <tr key={run.dag_run_id}>
          <td>
            <Link {...paths.run(run.dag_id, run.dag_run_id)} className={classes.run}>
              <Time at={run.logical_date ?? run.run_after} zone={zone} as="zoned" />
            </Link>
          </td>
          {hasPartitions && <td>{run.partition_key}</td>}
          <td>
            <RunStateBadge state={run.state} />
            {run.reason !== null && (
              <div className={classes.reason}>
                <Reason text={run.reason} zone={zone} />
              </div>
            )}
          </td>
          <td className={classes.wide}>
            <span className={classes.type}>
              <Icon name={RUN_TYPES[run.run_type].icon} size={13} /> {RUN_TYPES[run.run_type].label}
            </span>
          </td>
          <td className={classes.wide}>{run.start_date === null ? '–' : <Time at={run.start_date} zone={zone} as="relative" />}</td>
          <td>
            <Length run={run} longest={longest} />
          </td>
          <td className={classes.wide}>{triggeredBy(run) ?? '–'}</td>
          {hasNotes && <td className={classes.note}>{run.note}</td>}
        </tr>
      ))}
    </Table>
  )
}

function Length({ run, longest }: { run: DagRun; longest: number }) {
  if (run.duration === null) return <Duration start={run.start_date} end={run.end_date} seconds={null} />
  return (
    <span className={classes.length}>
      <span>{formatDuration(run.duration)}</span>
      <span className={classes.lengthBar} data-tone={RUN_FACES[run.state].tone} aria-hidden="true">
        <span style={{ width: `${(100 * run.duration) / longest}%` }} />
      </span>
    </span>
  )
}
