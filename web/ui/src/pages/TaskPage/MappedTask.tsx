import { useQuery, useSuspenseQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { useState } from 'react'
import { taskRef, taskState, type TaskInstance, type TaskState } from '../../api/model'
import { dagDetailsQuery, dagTasksQuery } from '../../api/queries/dags'
import { runTasksQuery } from '../../api/queries/runs'
import { instanceName } from '../../components/actions/affected'
import { TaskActions } from '../../components/actions/TaskActions'
import { crumbsOfTask } from '../../components/crumbs'
import { TaskDuration } from '../../components/Duration'
import { PageHead } from '../../components/PageHead'
import { Reason } from '../../components/Reason'
import { TaskStateBadge } from '../../components/StateBadge'
import { StateFilter } from '../../components/StateFilter'
import { stateShown, summaryOf } from '../../components/tasks/summary'
import { Time } from '../../components/Time'
import { plural } from '../../lib/numbers'
import { paths } from '../../paths'
import { KeyFacts } from '../../ui/Facts'
import { Pages } from '../../ui/Pages'
import { Panel } from '../../ui/Panel'
import { Neighbours } from './Neighbours'
import classes from './TaskPage.module.css'

const route = getRouteApi('/signed-in/dags/$dagId/runs/$runId/tasks/$taskId')

/** The instances of a mapped task; each has its own log, tries and result. */
export function MappedTask({ instances }: { instances: TaskInstance[] }) {
  const { dagId, runId, taskId } = route.useParams()
  const { data: dag } = useSuspenseQuery(dagDetailsQuery(dagId))
  const tasks = useQuery(dagTasksQuery(dagId)).data?.tasks
  const others = useQuery(runTasksQuery(dagId, runId)).data
  const [asked, setAsked] = useState<TaskState | null>(null)
  const zone = dag.timezone ?? 'UTC'
  const summary = summaryOf(instances)
  const [first] = instances
  if (first === undefined || summary === null) return null
  const state = stateShown(summary, asked)
  const shown = instances.filter((each) => state === null || taskState(each) === state)
  return (
    <>
      <PageHead
        documentTitle={`${taskId} · ${dagId}`}
        crumbs={crumbsOfTask(first, zone)}
        title={taskId}
        badge={<TaskStateBadge state={summary.state} size="large" />}
        actions={
          <TaskActions dagId={dagId} runId={runId} task={taskId} name={taskId} hasDate={first.logical_date !== null} prominent={summary.state === 'failed'} />
        }
        facts={
          <>
            <KeyFacts
              facts={[
                ['Mapped', plural(instances.length, 'task instance')],
                ['Operator', first.operator_name],
                ['Pool', first.pool],
              ]}
            />
            {tasks !== undefined && <Neighbours taskId={taskId} tasks={tasks} instances={others ?? []} runId={runId} dagId={dagId} />}
          </>
        }
      />
      <Panel flush title="Instances" aside={<StateFilter counts={summary.counts} value={state} onChange={setAsked} />}>
        <InstanceTable key={state} instances={shown} zone={zone} />
      </Panel>
    </>
  )
}

/** Each row has menus and hints, and they are drawn anew with every change: with thousands the page would stand still. */
const PER_PAGE = 100

export function InstanceTable({ instances, zone }: { instances: TaskInstance[]; zone: string }) {
  const pages = Math.ceil(instances.length / PER_PAGE)
  const [asked, setAsked] = useState(1)
  const page = Math.min(asked, Math.max(pages, 1))
  return (
    <>
      <div className={classes.scroll}>
        <table className={`${classes.table} ${classes.instances}`}>
          <thead>
            <tr>
              <th>Index</th>
              <th>Name</th>
              <th>State</th>
              <th>Try</th>
              <th>Started</th>
              <th>Duration</th>
              <th>
                <span className="visually-hidden">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {instances.slice((page - 1) * PER_PAGE, page * PER_PAGE).map((each) => (
              <tr key={each.map_index}>
                <td>{each.map_index}</td>
                <td>
                  <Link {...paths.instance(each)} className={classes.instance}>
                    {each.rendered_map_index ?? each.map_index}
                  </Link>
                  {each.reason !== null && (
                    <div className={classes.why}>
                      <Reason text={each.reason} zone={zone} />
                    </div>
                  )}
                  {each.state === 'failed' && each.error !== null && <div className={classes.why}>{each.error}</div>}
                </td>
                <td>
                  <TaskStateBadge state={taskState(each)} />
                </td>
                <td>{each.try_number === 0 ? '–' : each.try_number}</td>
                <td>{each.start_date === null || each.try_number === 0 ? '–' : <Time at={each.start_date} zone={zone} seconds />}</td>
                <td>
                  <TaskDuration instance={each} />
                </td>
                <td>
                  <TaskActions as="menu" dagId={each.dag_id} runId={each.dag_run_id} task={taskRef(each)} name={instanceName(each)} hasDate={each.logical_date !== null} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <Pages total={pages} page={page} onChange={setAsked} />
    </>
  )
}
