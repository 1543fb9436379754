import { isTaskFinished, taskState, type Task, type TaskInstance, type TaskTry } from '../../api/model'
import { Duration } from '../../components/Duration'
import { TaskStateBadge } from '../../components/StateBadge'
import { Time } from '../../components/Time'
import { cellText } from '../../lib/csv'
import { formatDuration, timeDeltaSeconds } from '../../lib/durations'
import { CodeBlock } from '../../ui/CodeBlock'
import { CopyText } from '../../ui/CopyText'
import { Facts } from '../../ui/Facts'
import classes from './TaskPage.module.css'

interface Props {
  instance: TaskInstance
  tries: TaskTry[] | undefined
  definition: Task | undefined
  zone: string
}

export function DetailsTab({ instance, tries, definition, zone }: Props) {
  const rendered = Object.entries(instance.rendered_fields ?? {})
  return (
    <div className={classes.details}>
      <div className={classes.column}>
      <section>
        <h2>Attempts</h2>
        {instance.try_number === 0 ? (
          <p className={classes.quiet}>{isTaskFinished(taskState(instance)) ? 'None: it did not run.' : 'None yet.'}</p>
        ) : (
          <Attempts tries={tries ?? [instance]} zone={zone} />
        )}
      </section>
      {definition !== undefined && (
        <section>
          <h2>As the DAG says</h2>
          <Facts
            facts={[
              ['Trigger rule', <code key="rule">{cellText(definition.trigger_rule)}</code>],
              ['Retries', retriesOf(definition)],
              ['Timeout', timeoutOf(definition)],
              ['Depends on past', definition.depends_on_past && 'yes'],
              ['Weight', `${definition.priority_weight}, ${definition.weight_rule ?? 'downstream'}`],
              ['Owner', definition.owner],
            ]}
          />
        </section>
      )}
      </div>
      <section>
        <h2>This instance</h2>
        <Facts
          facts={[
            ['Try id', instance.try_number > 0 && <CopyText key="id" text={instance.id} />],
            ['Operator', instance.operator_name],
            ['Pool', `${instance.pool}${instance.pool_slots === 1 ? '' : `, ${instance.pool_slots} slots`}`],
            ['Priority weight', instance.priority_weight],
            ['Queued', instance.queued_when !== null && <Time at={instance.queued_when} zone={zone} seconds />],
            ['Ended', instance.end_date !== null && <Time at={instance.end_date} zone={zone} seconds />],
            ['Host', instance.hostname || null],
            ['Process', instance.pid],
            ['Error', instance.error],
            ['Note', instance.note],
          ]}
        />
      </section>
      {rendered.length > 0 && (
        <section className={classes.rendered}>
          <h2>Rendered fields</h2>
          {rendered.map(([name, value]) => (
            <div key={name}>
              <h3>{name}</h3>
              <CodeBlock text={typeof value === 'string' ? value : JSON.stringify(value, null, 2)} label={name} wrap />
            </div>
          ))}
        </section>
      )}
    </div>
  )
}

function timeoutOf({ execution_timeout: timeout }: Task): string | null {
  return timeout === null ? null : formatDuration(timeDeltaSeconds(timeout))
}

function retriesOf(task: Task): string {
  const count = task.retries ?? 0
  if (count === 0 || task.retry_delay === null) return String(count)
  return `${count}, ${formatDuration(timeDeltaSeconds(task.retry_delay))} apart`
}

function Attempts({ tries, zone }: { tries: TaskTry[]; zone: string }) {
  return (
    // What scrolls on a narrow screen is reached with the keyboard too.
    <div className={classes.scroll} tabIndex={0} role="region" aria-label="Table of tries">
      <table className={classes.table}>
        <thead>
          <tr>
            <th>Try</th>
            <th>State</th>
            <th>Started</th>
            <th>Duration</th>
            <th>Host</th>
          </tr>
        </thead>
        <tbody>
          {tries.map((each) => (
            <tr key={each.try_number}>
              <td>{each.try_number}</td>
              <td>
                <TaskStateBadge state={taskState(each)} />
              </td>
              <td>{each.start_date === null ? '–' : <Time at={each.start_date} zone={zone} seconds />}</td>
              <td>
                <Duration start={each.start_date} end={each.end_date} seconds={each.duration} />
              </td>
              <td>{each.hostname || '–'}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
