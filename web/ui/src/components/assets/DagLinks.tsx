import { Link } from '@tanstack/react-router'
import { paths } from '../../paths'
import classes from './Assets.module.css'

/** Links to DAGs, each named once. */
export function DagLinks({ dags }: { dags: string[] }) {
  const ids = [...new Set(dags)].sort()
  if (ids.length === 0) return <span className={classes.none}>–</span>
  return (
    <span className={classes.links}>
      {ids.map((id) => (
        <Link key={id} {...paths.dag(id)} className={classes.link}>
          {id}
        </Link>
      ))}
    </span>
  )
}
