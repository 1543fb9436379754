import { isRunFinished, type DagRun } from '../../api/model'
import { messageOf } from '../../api/errors'
import { useMarkRun } from '../../api/queries/runs'
import { TriggerButton } from '../../components/trigger/TriggerButton'
import { ConfirmButton } from '../../ui/ConfirmButton'
import { toast } from '../../ui/toast'

interface Props {
  run: DagRun
  isPaused: boolean
}

/** What a person may do to a run. */
export function RunActions({ run, isPaused }: Props) {
  const mark = useMarkRun(run.dag_id, run.dag_run_id)
  const running = !isRunFinished(run.state)
  const end = (state: 'success' | 'failed') =>
    mark.mutate(state, {
      onSuccess: () => toast.good(state === 'success' ? 'The run is marked as success' : 'The run is marked as failed'),
      onError: (error) => toast.bad('The run did not change', messageOf(error)),
    })
  return (
    <>
      {run.state !== 'success' && (
        <ConfirmButton
          label="Mark success"
          icon="check"
          question="Mark this run as success?"
          consequence={
            running
              ? 'Its running tasks are stopped, and tasks that have not finished count as success.'
              : 'Tasks that failed or did not run count as success from now on.'
          }
          busy={mark.isPending}
          onConfirm={() => end('success')}
        />
      )}
      {run.state !== 'failed' && (
        <ConfirmButton
          label={running ? 'Stop' : 'Mark failed'}
          icon={running ? 'stop' : 'cross'}
          danger
          question={running ? 'Stop this run?' : 'Mark this run as failed?'}
          consequence={
            running
              ? 'Its running tasks are stopped, no further task starts, and the run counts as failed.'
              : 'The run counts as failed from now on. What its tasks did stays as it is.'
          }
          busy={mark.isPending}
          onConfirm={() => end('failed')}
        />
      )}
      <TriggerButton dagId={run.dag_id} isPaused={isPaused} label="Trigger again" conf={run.conf ?? {}} />
    </>
  )
}
