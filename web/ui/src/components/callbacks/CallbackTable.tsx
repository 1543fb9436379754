import { Link } from '@tanstack/react-router'
import { messageOf } from '../../api/errors'
import type { Callback, CallbackState } from '../../api/model'
import { useRetryCallback } from '../../api/queries/callbacks'
import { plural } from '../../lib/numbers'
import { paths } from '../../paths'
import { IconButton } from '../../ui/IconButton'
import { ActionsHead, Table } from '../../ui/Table'
import { toast } from '../../ui/toast'
import { instanceName } from '../actions/affected'
import type { Face } from '../faces'
import { FaceBadge } from '../StateBadge'
import { Time } from '../Time'
import classes from './Callbacks.module.css'

/** Every state has a face, or it does not compile. */
export const CALLBACK_FACES: Record<CallbackState, Face> = {
  waiting: { label: 'Waiting', tone: 'wait', icon: 'clock' },
  delivered: { label: 'Delivered', tone: 'good', icon: 'check' },
  failed: { label: 'Failed', tone: 'bad', icon: 'cross' },
}

/** A delivery that failed before waits for the next attempt. */
const RETRYING: Face = { label: 'Retrying', tone: 'notice', icon: 'retry' }

interface Props {
  callbacks: Callback[]
  /** Callbacks of several runs: each says of which. */
  ofSeveral?: boolean
}

/** What was told to whom, and what could not be. */
export function CallbackTable({ callbacks, ofSeveral = false }: Props) {
  return (
    <Table
      className={classes.table}
      head={
        <>
          <th>State</th>
          <th>Callback</th>
          {ofSeveral && <th>Run</th>}
          <th>To</th>
          <th className={classes.wide}>Called</th>
          <ActionsHead />
        </>
      }
    >
      {callbacks.map((callback) => (
        <Row key={callback.id} callback={callback} ofSeveral={ofSeveral} />
      ))}
    </Table>
  )
}

function Row({ callback, ofSeveral }: { callback: Callback; ofSeveral: boolean }) {
  const isRetrying = callback.state === 'waiting' && callback.attempts > 0
  return (
    <tr>
      <td>
        <FaceBadge face={isRetrying ? RETRYING : CALLBACK_FACES[callback.state]} />
        <Attempts callback={callback} />
      </td>
      <td className={classes.what}>
        <code>{callback.kind}</code>
        <div className={classes.quiet}>
          <Whose callback={callback} />
        </div>
        {callback.error !== null && <div className={classes.error}>{callback.error}</div>}
      </td>
      {ofSeveral && (
        <td className={classes.what}>
          <Link {...paths.run(callback.dag_id, callback.dag_run_id)}>{callback.dag_id}</Link>
          <div className={classes.quiet}>{callback.dag_run_id}</div>
        </td>
      )}
      <td className={classes.what}>
        {callback.receiver ?? '—'}
        {callback.notifier !== null && <div className={classes.quiet}>through {callback.notifier}</div>}
      </td>
      <td className={classes.wide}>
        <Time at={callback.created_at} as="relative" />
      </td>
      <td className={classes.last}>{callback.state !== 'delivered' && <RetryButton callback={callback} />}</td>
    </tr>
  )
}

/** The task that it is about, or the run. */
function Whose({ callback: { dag_id, dag_run_id, task_id, map_index, try_number } }: { callback: Callback }) {
  if (task_id === null) return <>of the run</>
  const name = { dag_id, dag_run_id, task_id, map_index }
  return (
    <>
      of <Link {...paths.instance(name)}>{instanceName({ task_id, map_index, rendered_map_index: null })}</Link>
      {try_number !== null && `, try ${try_number}`}
    </>
  )
}

function Attempts({ callback: { attempts, next_attempt_at: next, ended_at: ended } }: { callback: Callback }) {
  return (
    <div className={classes.quiet}>
      {attempts > 0 && plural(attempts, 'attempt')}
      {attempts > 0 && next !== null && (
        <>
          , next <Time at={next} as="relative" />
        </>
      )}
      {ended !== null && (
        <>
          {' '}
          <Time at={ended} as="relative" />
        </>
      )}
    </div>
  )
}

function RetryButton({ callback: { id, kind } }: { callback: Callback }) {
  const retry = useRetryCallback(id)
  const tell = () =>
    void retry.mutateAsync().then(
      () => toast.good('It is told again'),
      (error: unknown) => toast.bad('It is not told again', messageOf(error)),
    )
  return <IconButton icon="retry" label={`Tell ${kind} again now`} busy={retry.isPending} onClick={tell} />
}
