import type { Dag } from '../api/model'
import classes from './Schedule.module.css'

/** Presets and cron expressions: what people recognise as they wrote it. Other summaries say less than the words. */
const RECOGNISED = /^(@|[\d*]\S*(\s+\S+){4})/

/** When a DAG runs: in words, and as it is written. */
export function Schedule({ dag }: { dag: Pick<Dag, 'timetable_description' | 'timetable_summary'> }) {
  const { timetable_description: words, timetable_summary: written } = dag
  if (written === null) return <span className={classes.none}>Only when triggered</span>
  const isShown = !words || RECOGNISED.test(written)
  return (
    <>
      {words ? <span>{words}</span> : null}
      {isShown && <code className={words ? classes.written : undefined}>{written}</code>}
    </>
  )
}
