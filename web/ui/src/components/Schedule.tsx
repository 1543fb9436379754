import type { Dag } from '../api/model'
import classes from './Schedule.module.css'

/** When a DAG runs: in words, and as it is written. */
export function Schedule({ dag }: { dag: Pick<Dag, 'timetable_description' | 'timetable_summary'> }) {
  const { timetable_description: words, timetable_summary: written } = dag
  if (written === null) return <span className={classes.none}>Only when triggered</span>
  return (
    <>
      {words ? <span>{words}</span> : null}
      <code className={words ? classes.written : undefined}>{written}</code>
    </>
  )
}
