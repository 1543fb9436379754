import { Skeleton } from '@mantine/core'
import { taskState, type AffectedInstance } from '../../api/model'
import { plural } from '../../lib/numbers'
import { TaskStateBadge } from '../StateBadge'
import { StateTally } from '../StateTally'
import { Time } from '../Time'
import classes from './Action.module.css'
import { affectedByRun, instanceName, type AffectedRun } from './affected'

interface Props {
  /** Undefined until the server has answered. */
  instances: AffectedInstance[] | undefined
  /** The list belongs to the choices before these. */
  stale: boolean
  nothing: string
}

/** Drawn at most: nobody reads further, and the browser need not either. */
const MOST = 200

/** The task instances that an action touches, with the states that they have now. */
export function Affected({ instances, stale, nothing }: Props) {
  if (instances === undefined) return <Skeleton height={120} role="status" aria-label="Asking what is affected" />
  const runs = affectedByRun(instances.slice(0, MOST))
  const rest = instances.length - MOST
  return (
    <section className={classes.affected} aria-label="Affected task instances" aria-busy={stale}>
      <header className={classes.head}>
        <h3>{instances.length === 0 ? 'Nothing is affected' : plural(instances.length, 'task instance')}</h3>
        {instances.length > 0 && <StateTally instances={instances} />}
      </header>
      {/* A list that scrolls is reached with the keyboard too. */}
      <div className={classes.scroll} data-stale={stale || undefined} tabIndex={0} role="group" aria-label="List of affected task instances">
        {instances.length === 0 && <p className={classes.nothing}>{nothing}</p>}
        {runs.map((run) => (
          <RunPart key={run.runId} run={run} named={runs.length > 1} />
        ))}
        {rest > 0 && <p className={classes.nothing}>and {plural(rest, 'more', 'more')}</p>}
      </div>
    </section>
  )
}

function RunPart({ run, named }: { run: AffectedRun; named: boolean }) {
  return (
    <>
      {named && (
        <h4 className={classes.run}>
          Run of <Time at={run.at} />
        </h4>
      )}
      <ul className={classes.list}>
        {run.instances.map((instance) => (
          <li key={`${instance.task_id} ${instance.map_index}`}>
            <span>{instanceName(instance)}</span>
            <TaskStateBadge state={taskState(instance)} />
          </li>
        ))}
      </ul>
    </>
  )
}
