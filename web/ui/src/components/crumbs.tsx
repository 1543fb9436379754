import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import type { TaskInstance } from '../api/model'
import { formatDateTime } from '../lib/dates'
import { paths } from '../paths'

/** The links above the page of a run. */
export function crumbsOfRun(dagId: string): ReactNode[] {
  return [
    <Link key="dags" {...paths.dags()}>
      DAGs
    </Link>,
    <Link key="dag" {...paths.dag(dagId)}>
      {dagId}
    </Link>,
  ]
}

type Place = Pick<TaskInstance, 'dag_id' | 'dag_run_id' | 'logical_date' | 'run_after'>

/** The links above the page of a task of a run. */
export function crumbsOfTask({ dag_id, dag_run_id, logical_date, run_after }: Place, zone: string): ReactNode[] {
  return [
    ...crumbsOfRun(dag_id),
    <Link key="run" {...paths.run(dag_id, dag_run_id)}>
      {formatDateTime(logical_date ?? run_after, { zone, showZone: true })}
    </Link>,
  ]
}
