import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { DagRun } from '../../api/model'
import { runCallbacksQuery } from '../../api/queries/callbacks'
import { plural } from '../../lib/numbers'
import { paths } from '../../paths'
import { Panel } from '../../ui/Panel'
import classes from './Callbacks.module.css'
import { CallbackTable } from './CallbackTable'

/** What a run told to whom; nothing when it has no callbacks. */
export function RunCallbacks({ run }: { run: DagRun }) {
  const { data } = useQuery(runCallbacksQuery(run.dag_id, run.dag_run_id))
  if (data === undefined || data.total_entries === 0) return null
  return (
    <div className={classes.panel}>
      <Panel flush title={plural(data.total_entries, 'callback')} aside={<Link {...paths.callbacks()}>Of all runs</Link>}>
        <CallbackTable callbacks={data.callbacks} />
      </Panel>
    </div>
  )
}
