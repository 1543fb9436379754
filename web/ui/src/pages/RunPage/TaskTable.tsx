import { Link } from '@tanstack/react-router'
import { taskRef, taskState, type DagRun, type TaskInstance } from '../../api/model'
import { instanceName } from '../../components/actions/affected'
import { TaskActions } from '../../components/actions/TaskActions'
import { Duration, TaskDuration } from '../../components/Duration'
import { TASK_FACES } from '../../components/faces'
import { Reason } from '../../components/Reason'
import { TaskStateBadge } from '../../components/StateBadge'
import { byTask, summaryOf } from '../../components/tasks/summary'
import { TaskName } from '../../components/tasks/TaskName'
import { formatClock } from '../../lib/dates'
import { formatDuration } from '../../lib/durations'
import { plural } from '../../lib/numbers'
import { useNow } from '../../lib/useNow'
import { paths } from '../../paths'
import { ActionsHead, Table } from '../../ui/Table'
import classes from './TaskTable.module.css'
import { barOf, frameOf, spanOf, type Frame } from './timeline'

interface Props {
  run: DagRun
  instances: TaskInstance[]
  /** The run goes on: the time line grows. */
  live: boolean
}

export function TaskTable({ run, instances, live }: Props) {
  const now = useNow()
  const frame = frameOf(run, instances, now)
  const rows = [...byTask(instances).values()].sort((a, b) => byStart(firstOf(a), firstOf(b)))
  const until = live ? now : (frame?.end ?? now)
  return (
    <Table
      className={classes.table}
      head={
        <>
          <th>Task</th>
          <th>State</th>
          <th className={classes.wide}>Operator</th>
          <th className={`${classes.right} ${classes.try}`}>Try</th>
          <th className={classes.wide}>Start</th>
          <th className={`${classes.right} ${classes.length}`}>Duration</th>
          <th className={classes.line}>
            <span className={classes.scale}>
              <span>Timeline</span>
              <span>{frame === null ? '' : formatDuration((frame.end - frame.start) / 1000)}</span>
            </span>
          </th>
          <ActionsHead className={classes.actions} />
        </>
      }
    >
      {rows.map((row) => {
        const first = firstOf(row)
        return first.map_index < 0 ? (
          <Row key={first.task_id} instance={first} frame={frame} now={until} />
        ) : (
          <MappedRow key={first.task_id} instances={row} frame={frame} now={until} />
        )
      })}
    </Table>
  )
}

function Row({ instance, frame, now }: { instance: TaskInstance; frame: Frame | null; now: number }) {
  const state = taskState(instance)
  const bar = frame === null || instance.try_number === 0 ? null : barOf(instance, frame, now)
  return (
    <tr>
      <td>
        <Link {...paths.task(instance.dag_id, instance.dag_run_id, instance.task_id)} className={classes.task}>
          <TaskName id={instance.task_display_name} />
        </Link>
        {instance.reason !== null && (
          <div className={classes.reason}>
            <Reason text={instance.reason} />
          </div>
        )}
      </td>
      <td>
        <TaskStateBadge state={state} />
      </td>
      <td className={classes.wide}>{instance.operator_name ?? '–'}</td>
      <td className={`${classes.right} ${classes.try}`}>
        {instance.try_number === 0 ? '–' : instance.try_number}
        {instance.try_number > 0 && instance.max_tries > 0 && <span className={classes.of}> of {instance.max_tries + 1}</span>}
      </td>
      <td className={classes.wide}>
        {instance.start_date === null || instance.try_number === 0 ? '–' : <time dateTime={instance.start_date}>{formatClock(instance.start_date).slice(0, 8)}</time>}
      </td>
      <td className={`${classes.right} ${classes.length}`}>
        <TaskDuration instance={instance} />
      </td>
      <td className={classes.line}>
        <div className={classes.track}>
          {bar?.queued && <span className={classes.queued} style={{ left: bar.queued.left, width: bar.queued.width }} />}
          {bar?.ran && (
            <span
              className={classes.bar}
              data-tone={TASK_FACES[state].tone}
              data-state={state}
              style={{ left: bar.ran.left, width: bar.ran.width }}
            />
          )}
        </div>
      </td>
      <td className={classes.actions}>
        <TaskActions
          as="menu"
          dagId={instance.dag_id}
          runId={instance.dag_run_id}
          task={taskRef(instance)}
          name={instanceName(instance)}
          hasDate={instance.logical_date !== null}
        />
      </td>
    </tr>
  )
}

/** All instances of a mapped task in one row; the page of the task lists them. */
function MappedRow({ instances, frame, now }: { instances: TaskInstance[]; frame: Frame | null; now: number }) {
  const first = firstOf(instances)
  const summary = summaryOf(instances)
  const span = spanOf(instances)
  const bar = frame === null ? null : barOf({ ...span, queued_when: null }, frame, now)
  const state = summary?.state ?? 'none'
  return (
    <tr>
      <td>
        <Link {...paths.task(first.dag_id, first.dag_run_id, first.task_id)} className={classes.task}>
          <TaskName id={first.task_display_name} />
        </Link>
        <div className={classes.reason}>
          {plural(instances.length, 'task instance')}: {summary?.counts.map(([each, count]) => `${count} ${TASK_FACES[each].label.toLowerCase()}`).join(', ')}
        </div>
      </td>
      <td>
        <TaskStateBadge state={state} />
      </td>
      <td className={classes.wide}>{first.operator_name ?? '–'}</td>
      <td className={`${classes.right} ${classes.try}`}>–</td>
      <td className={classes.wide}>{span.start_date === null ? '–' : <time dateTime={span.start_date}>{formatClock(span.start_date).slice(0, 8)}</time>}</td>
      <td className={`${classes.right} ${classes.length}`}>
        <Duration start={span.start_date} end={span.end_date} seconds={null} />
      </td>
      <td className={classes.line}>
        <div className={classes.track}>
          {bar?.ran && (
            <span className={classes.bar} data-tone={TASK_FACES[state].tone} data-state={state} style={{ left: bar.ran.left, width: bar.ran.width }} />
          )}
        </div>
      </td>
      <td className={classes.actions}>
        <TaskActions as="menu" dagId={first.dag_id} runId={first.dag_run_id} task={first.task_id} name={first.task_id} hasDate={first.logical_date !== null} />
      </td>
    </tr>
  )
}

/** The instance that began first: it stands for its task in the order of the list. */
function firstOf(instances: TaskInstance[]): TaskInstance {
  const [first, ...rest] = instances
  if (first === undefined) throw new Error('a task without an instance has no row')
  return rest.reduce((best, each) => (byStart(each, best) < 0 ? each : best), first)
}

/** As they started; those that have not, at the end, in the order of the DAG. */
function byStart(a: TaskInstance, b: TaskInstance): number {
  if (a.start_date === null || b.start_date === null) return Number(a.start_date === null) - Number(b.start_date === null)
  return a.start_date.localeCompare(b.start_date)
}
