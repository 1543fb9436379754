import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { taskRef, type DagRun, type TaskInstance } from '../../api/model'
import { taskLogQuery } from '../../api/queries/tasks'
import { instanceName } from '../../components/actions/affected'
import { TaskActions } from '../../components/actions/TaskActions'
import { Duration } from '../../components/Duration'
import { LinkButton } from '../../components/LinkButton'
import { shownLines } from '../../components/log/lines'
import { plural } from '../../lib/numbers'
import { paths } from '../../paths'
import { ErrorText } from '../../ui/ErrorText'
import { Icon } from '../../ui/Icon'
import classes from './RunPage.module.css'

interface Props {
  run: DagRun
  instances: TaskInstance[]
}

const LAST_LINES = 8

/** Named at most beside the first: of a mapped task thousands may fail, and the graph is below. */
const OTHERS_MAX = 20

/** Why a run fails: the task that failed first, and the end of its log. */
export function FailureCause({ run, instances }: Props) {
  const failed = instances
    .filter((each) => each.state === 'failed')
    .sort((a, b) => (a.end_date ?? '').localeCompare(b.end_date ?? ''))
  const [first, ...others] = failed
  if (first === undefined) return null
  return (
    <section className={classes.cause} data-tone="bad" aria-label="Cause of the failure">
      <header className={classes.causeHead}>
        <Icon name="alert" size={18} />
        <h2>
          <Link {...paths.instance(first)}>{instanceName(first)}</Link> failed
          {first.try_number > 1 && ` after ${plural(first.try_number, 'try', 'tries')}`}
        </h2>
        <span className={classes.causeTime}>
          ran for <Duration start={first.start_date} end={first.end_date} seconds={first.duration} />
        </span>
        <LinkButton {...paths.instance(first)} size="xs" variant="default" leftSection={<Icon name="list" size={13} />}>
          Open its log
        </LinkButton>
        <TaskActions
          as="clear"
          dagId={run.dag_id}
          runId={run.dag_run_id}
          task={taskRef(first)}
          name={instanceName(first)}
          hasDate={run.logical_date !== null}
        />
      </header>
      {first.error !== null && (
        <p className={classes.causeError}>
          <ErrorText>{first.error}</ErrorText>
        </p>
      )}
      <LogEnd instance={first} />
      {others.length > 0 && (
        <p className={classes.causeOthers}>
          Failed too:{' '}
          {others.slice(0, OTHERS_MAX).map((other, place) => (
            <span key={instanceName(other)}>
              {place > 0 && ', '}
              <Link {...paths.instance(other)}>{instanceName(other)}</Link>
            </span>
          ))}
          {others.length > OTHERS_MAX && ` and ${plural(others.length - OTHERS_MAX, 'more', 'more')}`}
        </p>
      )}
    </section>
  )
}

function LogEnd({ instance }: { instance: TaskInstance }) {
  const { try_number, error } = instance
  const log = useQuery(taskLogQuery(instance, try_number))
  // What the task itself said last is the cause, more often than what we say about its end.
  const lines = shownLines(log.data ?? [], 'info')
    .filter((line) => error === null || !line.text.endsWith(error))
    .slice(-LAST_LINES)
  if (lines.length === 0) return null
  return <pre className={classes.causeLog}>{lines.map((line) => line.text).join('\n')}</pre>
}
