import { ActionIcon, Button, Menu, Tooltip } from '@mantine/core'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { isRunFinished, type DagRun } from '../../api/model'
import { messageOf } from '../../api/errors'
import { useDeleteRun } from '../../api/queries/actions'
import { useMarkRun } from '../../api/queries/runs'
import { ClearRunDialog } from '../../components/actions/ClearRunDialog'
import { TriggerButton } from '../../components/trigger/TriggerButton'
import { TriggerDialog } from '../../components/trigger/TriggerDialog'
import { paths } from '../../paths'
import { ConfirmButton } from '../../ui/ConfirmButton'
import { ConfirmDialog } from '../../ui/ConfirmDialog'
import { Icon } from '../../ui/Icon'
import { toast } from '../../ui/toast'

interface Props {
  run: DagRun
  isPaused: boolean
  /** Why the DAG cannot be triggered. */
  refusal: string | undefined
}

type Question = 'clear' | 'copy' | 'success' | 'failed' | 'delete'

/** What a person may do to a run. */
export function RunActions({ run, isPaused, refusal }: Props) {
  const [open, setOpen] = useState<Question | null>(null)
  const mark = useMarkRun(run.dag_id, run.dag_run_id)
  const remove = useDeleteRun(run.dag_id, run.dag_run_id)
  const navigate = useNavigate()
  const going = !isRunFinished(run.state)
  const end = (state: 'success' | 'failed') =>
    void mark.mutateAsync(state).then(
      () => toast.good(state === 'success' ? 'The run is marked as success' : 'The run is marked as failed'),
      (error: unknown) => toast.bad('The run did not change', messageOf(error)),
    )
  const removeIt = () =>
    // Not by callbacks of `mutate`: this page may be told that its run is gone, and go with it, before the answer is here.
    void remove.mutateAsync().then(
      () => {
        toast.good('The run is deleted')
        void navigate({ ...paths.dag(run.dag_id), search: { tab: 'runs' }, replace: true })
      },
      (error: unknown) => toast.bad('The run is not deleted', messageOf(error)),
    )
  const ask = (question: Question) => ({ opened: open === question, onClose: () => setOpen(null) })
  return (
    <>
      {going && (
        <ConfirmButton label="Stop" icon="stop" danger question="Stop this run?" consequence={STOPS} busy={mark.isPending} onConfirm={() => end('failed')} />
      )}
      <Button variant={run.state === 'failed' ? 'filled' : 'default'} leftSection={<Icon name="retry" size={14} />} onClick={() => setOpen('clear')}>
        Run again
      </Button>
      <TriggerButton label="Trigger a copy" icon="retry" variant="default" refusal={refusal} onClick={() => setOpen('copy')} />
      <Menu position="bottom-end">
        <Menu.Target>
          <ActionIcon variant="default" size={36} aria-label="More actions">
            <Icon name="dots" size={16} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          {run.state !== 'success' && (
            <Menu.Item leftSection={<Icon name="check" size={14} />} onClick={() => setOpen('success')}>
              Mark success
            </Menu.Item>
          )}
          {run.state !== 'failed' && !going && (
            <Menu.Item leftSection={<Icon name="cross" size={14} />} onClick={() => setOpen('failed')}>
              Mark failed
            </Menu.Item>
          )}
          <DeleteItem refusal={run.state === 'running' ? 'Stop it first' : undefined} onClick={() => setOpen('delete')} />
        </Menu.Dropdown>
      </Menu>
      <TriggerDialog dagId={run.dag_id} isPaused={isPaused} conf={run.conf ?? {}} {...ask('copy')} />
      {open === 'clear' && <ClearRunDialog run={run} opened onClose={() => setOpen(null)} />}
      <ConfirmDialog
        {...ask('success')}
        question="Mark this run as success?"
        label="Mark success"
        consequence={
          going
            ? 'Its running tasks are stopped, and tasks that have not finished count as success.'
            : 'Tasks that failed or did not run count as success from now on.'
        }
        onConfirm={() => end('success')}
      />
      <ConfirmDialog
        {...ask('failed')}
        question="Mark this run as failed?"
        label="Mark failed"
        danger
        consequence="The run counts as failed from now on. What its tasks did stays as it is."
        onConfirm={() => end('failed')}
      />
      <ConfirmDialog
        {...ask('delete')}
        question="Delete this run?"
        label="Delete"
        danger
        consequence="Its task instances, their logs and their results go with it. What its tasks wrote elsewhere stays. This cannot be taken back."
        onConfirm={removeIt}
      />
    </>
  )
}

/** As [`RefusableButton`]. The menu passes over an entry that is `data-disabled`, so that it only looks like one. */
function DeleteItem({ refusal, onClick }: { refusal: string | undefined; onClick: () => void }) {
  const isRefused = refusal !== undefined
  return (
    <Tooltip label={refusal} disabled={!isRefused}>
      <Menu.Item
        color={isRefused ? 'var(--mantine-color-disabled-color)' : 'var(--bad-text)'}
        leftSection={<Icon name="trash" size={14} />}
        aria-disabled={isRefused}
        closeMenuOnClick={!isRefused}
        onClick={isRefused ? undefined : onClick}
      >
        Delete this run
      </Menu.Item>
    </Tooltip>
  )
}

const STOPS = 'Its running tasks are stopped, no further task starts, and the run counts as failed.'
