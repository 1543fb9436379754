import { useSuspenseQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { isRunFinished, type DagRun, type TaskInstance } from '../../api/model'
import { dagDetailsQuery, dagTasksQuery } from '../../api/queries/dags'
import { runQuery, runTasksQuery } from '../../api/queries/runs'
import { crumbsOfRun } from '../../components/crumbs'
import { Duration } from '../../components/Duration'
import { RUN_TYPES, triggeredBy } from '../../components/faces'
import { RunCallbacks } from '../../components/callbacks/RunCallbacks'
import { MadeFor } from '../../components/assets/MadeFor'
import { DagGraph } from '../../components/graph/DagGraph'
import { PageHead } from '../../components/PageHead'
import { Reason } from '../../components/Reason'
import { RunStateBadge } from '../../components/StateBadge'
import { StateTally } from '../../components/StateTally'
import { Time } from '../../components/Time'
import { triggerRefusal } from '../../components/trigger/refusal'
import { formatDateTime } from '../../lib/dates'
import { plural } from '../../lib/numbers'
import { CopyText } from '../../ui/CopyText'
import { KeyFacts } from '../../ui/Facts'
import { Icon } from '../../ui/Icon'
import { Notice } from '../../ui/Notice'
import { Panel } from '../../ui/Panel'
import { Conf } from './Conf'
import { FailureCause } from './FailureCause'
import { Gantt } from './Gantt'
import { RunActions } from './RunActions'
import classes from './RunPage.module.css'
import { TaskTable } from './TaskTable'
import { ViewChoice } from './ViewChoice'

const route = getRouteApi('/signed-in/dags/$dagId/runs/$runId')

export function RunPage() {
  const { dagId, runId } = route.useParams()
  const { data: run } = useSuspenseQuery(runQuery(dagId, runId))
  const { data: instances } = useSuspenseQuery(runTasksQuery(dagId, runId))
  const { data: dag } = useSuspenseQuery(dagDetailsQuery(dagId))
  const { data: tasks } = useSuspenseQuery(dagTasksQuery(dagId))
  const { tab = 'graph' } = route.useSearch()
  const navigate = route.useNavigate()
  const zone = dag.timezone ?? 'UTC'
  const when = run.logical_date ?? run.run_after
  const by = triggeredBy(run)
  return (
    <>
      <PageHead
        documentTitle={`${dagId} · ${formatDateTime(when, { zone })}`}
        crumbs={crumbsOfRun(dagId)}
        title={<Time at={when} zone={zone} as="zoned" />}
        badge={<RunStateBadge state={run.state} size="large" />}
        description={run.note}
        actions={<RunActions run={run} isPaused={dag.is_paused} refusal={triggerRefusal(dag)} />}
        facts={
          <KeyFacts
            facts={[
              ['Duration', <Duration key="duration" start={run.start_date} end={run.end_date} seconds={run.duration} />],
              ['Started', run.start_date !== null && <Time at={run.start_date} zone={zone} seconds />],
              ['Ended', run.end_date !== null && <Time at={run.end_date} zone={zone} seconds />],
              [
                'Type',
                <span key="type" className={classes.type}>
                  <Icon name={RUN_TYPES[run.run_type].icon} size={13} /> {RUN_TYPES[run.run_type].label}
                </span>,
              ],
              ['Partition', run.partition_key],
              ['Started by', by],
              ['Conf', <Conf key="conf" conf={run.conf} />],
              ['Run id', <CopyText key="id" text={run.dag_run_id} />],
            ]}
          />
        }
      />
      <Queued run={run} isPaused={dag.is_paused} zone={zone} />
      <FailureCause run={run} instances={instances} />
      {run.run_type === 'asset_triggered' && <MadeFor run={run} zone={zone} />}
      <div className={classes.panels}>
        <Panel
          flush
          title={tab === 'gantt' ? 'Gantt' : 'Graph'}
          aside={
            <>
              <StateTally instances={instances} />
              <ViewChoice value={tab} onChange={(next) => void navigate({ search: next === 'graph' ? {} : { tab: next }, replace: true })} />
            </>
          }
        >
          {tab === 'gantt' ? (
            <Gantt run={run} instances={instances} />
          ) : (
            <DagGraph tasks={tasks.tasks} groups={tasks.task_groups} instances={instances} maxHeight="max(360px, 68vh)" />
          )}
        </Panel>
        <Panel flush title={titleOf(instances)}>
          <TaskTable run={run} instances={instances} live={!isRunFinished(run.state)} />
        </Panel>
      </div>
      <RunCallbacks run={run} />
    </>
  )
}

function titleOf(instances: TaskInstance[]): string {
  const tasks = new Set(instances.map((each) => each.task_id)).size
  return tasks === instances.length ? plural(tasks, 'task') : `${plural(tasks, 'task')}, ${plural(instances.length, 'task instance')}`
}

/** Why a run does not begin. */
function Queued({ run, isPaused, zone }: { run: DagRun; isPaused: boolean; zone: string }) {
  if (run.state !== 'queued' || (!isPaused && run.reason === null)) return null
  return (
    <div className={classes.waiting}>
      {isPaused ? (
        <Notice tone="notice" icon="pause">
          This run is queued because the DAG is paused. It starts once you unpause it.
        </Notice>
      ) : (
        <Notice tone="wait" icon="clock">
          <b>Not running yet: </b>
          <Reason text={run.reason ?? ''} zone={zone} />
        </Notice>
      )}
    </div>
  )
}
