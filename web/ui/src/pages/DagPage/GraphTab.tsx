import { useQuery, useSuspenseQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { DagRun, Task, TaskGroup } from '../../api/model'
import { dagTasksQuery } from '../../api/queries/dags'
import { dagRunsQuery, runTasksQuery } from '../../api/queries/runs'
import { DagGraph } from '../../components/graph/DagGraph'
import { RunStateBadge } from '../../components/StateBadge'
import { Time } from '../../components/Time'
import { plural } from '../../lib/numbers'
import { paths } from '../../paths'
import { Panel } from '../../ui/Panel'
import classes from './DagPage.module.css'

interface Props {
  dagId: string
  zone: string
}

/** The tasks, with their states in the last run. */
export function GraphTab({ dagId, zone }: Props) {
  const { data } = useSuspenseQuery(dagTasksQuery(dagId))
  const runs = useSuspenseQuery(dagRunsQuery(dagId, { page: 0, limit: 1 })).data
  const last = runs.dag_runs[0]
  const title = plural(data.tasks.length, 'task')
  return last === undefined ? (
    <Panel flush title={title} aside={<span className={classes.aside}>No runs yet</span>}>
      <DagGraph tasks={data.tasks} groups={data.task_groups} maxHeight={MAX_HEIGHT} />
    </Panel>
  ) : (
    <Panel flush title={title} aside={<LastRun run={last} zone={zone} />}>
      <RunGraph tasks={data.tasks} groups={data.task_groups} run={last} />
    </Panel>
  )
}

const MAX_HEIGHT = 'max(360px, calc(100dvh - 390px))'

function RunGraph({ tasks, groups, run }: { tasks: Task[]; groups: TaskGroup[]; run: DagRun }) {
  const instances = useQuery(runTasksQuery(run.dag_id, run.dag_run_id)).data
  return <DagGraph tasks={tasks} groups={groups} instances={instances} maxHeight={MAX_HEIGHT} />
}

function LastRun({ run, zone }: { run: DagRun; zone: string }) {
  return (
    <Link {...paths.run(run.dag_id, run.dag_run_id)} className={classes.lastRun}>
      <span className={classes.aside}>Last run</span>
      <Time at={run.logical_date ?? run.run_after} zone={zone} as="zoned" />
      <RunStateBadge state={run.state} />
    </Link>
  )
}
