import { Link } from '@tanstack/react-router'
import type { AssetEvent } from '../../api/model'
import { paths } from '../../paths'
import classes from './Assets.module.css'

/** Who updated an asset: a task of a run, or somebody from outside. */
export function EventSource({ event, prefix = '' }: { event: AssetEvent; prefix?: string }) {
  const { source_dag_id: dag, source_run_id: run, source_task_id: task, source_map_index: index } = event
  if (dag === null) return <span className={classes.none}>from outside</span>
  return (
    <span>
      {prefix}
      {run === null || task === null ? (
        <Link {...paths.dag(dag)} className={classes.link}>
          {dag}
        </Link>
      ) : (
        <Link {...paths.instance({ dag_id: dag, dag_run_id: run, task_id: task, map_index: index })} className={classes.link}>
          {dag} · {index < 0 ? task : `${task} [${index}]`}
        </Link>
      )}
    </span>
  )
}
