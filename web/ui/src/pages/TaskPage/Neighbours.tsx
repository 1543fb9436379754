import { Link } from '@tanstack/react-router'
import type { Task, TaskInstance } from '../../api/model'
import { TASK_FACES } from '../../components/faces'
import { summaryOf } from '../../components/tasks/summary'
import { byName } from '../../lib/order'
import { paths } from '../../paths'
import { Icon } from '../../ui/Icon'
import classes from './TaskPage.module.css'

interface Props {
  dagId: string
  runId: string
  taskId: string
  tasks: Task[]
  instances: TaskInstance[]
}

/** The tasks right before and right after this one, with their states. */
export function Neighbours({ dagId, runId, taskId, tasks, instances }: Props) {
  const before = tasks.flatMap((task) => (task.downstream_task_ids?.includes(taskId) ? [task.task_id ?? ''] : [])).sort(byName)
  const after = [...(tasks.find((task) => task.task_id === taskId)?.downstream_task_ids ?? [])].sort(byName)
  const link = (id: string) => {
    const summary = summaryOf(instances.filter((each) => each.task_id === id))
    const face = TASK_FACES[summary?.state ?? 'none']
    return (
      <Link key={id} {...paths.task(dagId, runId, id)} className={classes.neighbour} data-tone={face.tone}>
        <Icon name={face.icon} size={12} spinning={face.spinning} />
        {id}
        {summary !== null && summary.total > 1 && ` × ${summary.total}`}
        <span className="visually-hidden">, {face.label}</span>
      </Link>
    )
  }
  if (before.length + after.length === 0) return null
  return (
    <div className={classes.neighbours}>
      {before.length > 0 && (
        <span className={classes.side}>
          <span className={classes.sideName}>After</span> {before.map(link)}
        </span>
      )}
      {after.length > 0 && (
        <span className={classes.side}>
          <span className={classes.sideName}>Before</span> {after.map(link)}
        </span>
      )}
    </div>
  )
}
