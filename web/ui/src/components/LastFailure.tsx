import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { dagRunsQuery, runTasksQuery } from '../api/queries/runs'
import { paths } from '../paths'
import { Notice } from '../ui/Notice'
import { instanceName } from './actions/affected'
import { LinkButton } from './LinkButton'
import classes from './LastFailure.module.css'
import { firstFailed } from './tasks/summary'
import { Time } from './Time'

/** While the last run of a DAG is a failed one: which task it failed at, and the way there. */
export function LastFailure({ dagId, zone }: { dagId: string; zone: string }) {
  const run = useQuery(dagRunsQuery(dagId, { page: 0, limit: 1 })).data?.dag_runs[0]
  const failed = run?.state === 'failed'
  const instances = useQuery({ ...runTasksQuery(dagId, run?.dag_run_id ?? ''), enabled: failed }).data
  const first = firstFailed(instances ?? [])
  if (!failed || first === undefined) return null
  return (
    <div className={classes.failure}>
      <Notice tone="bad" icon="alert">
        <span className={classes.words}>
          <span className={classes.cause}>
            The <Link {...paths.run(dagId, run.dag_run_id)}>last run</Link>, of <Time at={run.logical_date ?? run.run_after} zone={zone} as="zoned" />, failed at{' '}
            <b>{instanceName(first)}</b>
            {first.error !== null && <>: {first.error}</>}
          </span>
          <LinkButton {...paths.instance(first)} size="xs" variant="default">
            Open its log
          </LinkButton>
        </span>
      </Notice>
    </div>
  )
}
