import { Link } from '@tanstack/react-router'
import { taskRef, taskState, type DagRun, type TaskInstance } from '../../api/model'
import { instanceName } from '../../components/actions/affected'
import { TaskActions } from '../../components/actions/TaskActions'
import { TaskDuration } from '../../components/Duration'
import { TASK_FACES } from '../../components/faces'
import { Reason } from '../../components/Reason'
import { TaskStateBadge } from '../../components/StateBadge'
import { formatClock } from '../../lib/dates'
import { formatDuration } from '../../lib/durations'
import { useNow } from '../../lib/useNow'
import { paths } from '../../paths'
import classes from './TaskTable.module.css'
import { barOf, frameOf, type Frame } from './timeline'

interface Props {
  run: DagRun
  instances: TaskInstance[]
  /** The run goes on: the time line grows. */
  live: boolean
}

export function TaskTable({ run, instances, live }: Props) {
  const now = useNow()
  const frame = frameOf(run, instances, now)
  const rows = [...instances].sort(byStart)
  return (
    <div className={classes.scroll}>
      <table className={classes.table}>
        <thead>
          <tr>
            <th>Task</th>
            <th>State</th>
            <th className={classes.wide}>Operator</th>
            <th className={classes.right}>Try</th>
            <th className={classes.wide}>Start</th>
            <th className={classes.right}>Duration</th>
            <th className={classes.line}>
              <span className={classes.scale}>
                <span>Timeline</span>
                <span>{frame === null ? '' : formatDuration((frame.end - frame.start) / 1000)}</span>
              </span>
            </th>
            <th className={classes.actions}>
              <span className="visually-hidden">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((instance) => (
            <Row key={instance.task_id} instance={instance} frame={frame} now={live ? now : (frame?.end ?? now)} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

function Row({ instance, frame, now }: { instance: TaskInstance; frame: Frame | null; now: number }) {
  const state = taskState(instance)
  const bar = frame === null ? null : barOf(instance, frame, now)
  return (
    <tr>
      <td>
        <Link {...paths.task(instance.dag_id, instance.dag_run_id, instance.task_id)} className={classes.task}>
          {instance.task_display_name}
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
      <td className={classes.right}>
        {instance.try_number === 0 ? '–' : instance.try_number}
        {instance.try_number > 0 && instance.max_tries > 0 && <span className={classes.of}> of {instance.max_tries + 1}</span>}
      </td>
      <td className={classes.wide}>
        {instance.start_date === null || instance.try_number === 0 ? '–' : <time dateTime={instance.start_date}>{formatClock(instance.start_date).slice(0, 8)}</time>}
      </td>
      <td className={classes.right}>
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

/** As they started; those that have not, at the end, in the order of the DAG. */
function byStart(a: TaskInstance, b: TaskInstance): number {
  if (a.start_date === null || b.start_date === null) return Number(a.start_date === null) - Number(b.start_date === null)
  return a.start_date.localeCompare(b.start_date)
}
