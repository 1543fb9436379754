import { Checkbox, Radio } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { DagRun } from '../../api/model'
import { clearRunPreview, useClearRun, type ClearRun } from '../../api/queries/actions'
import { dagDetailsQuery } from '../../api/queries/dags'
import { toast } from '../../ui/toast'
import classes from './Action.module.css'
import { ActionDialog } from './ActionDialog'

interface Props {
  run: DagRun
  opened: boolean
  onClose: () => void
}

type Scope = ClearRun['scope']

const SCOPES: { value: Scope; label: string; meaning: string; nothing: string }[] = [
  { value: 'failed', label: 'Only what failed', meaning: 'and what did not run because of it', nothing: 'Nothing in this run has failed.' },
  { value: 'everything', label: 'Everything', meaning: 'the whole run, from its first task', nothing: 'This run has no tasks.' },
  { value: 'new', label: 'Only new tasks', meaning: 'those that the newest version of the DAG has and this run has not', nothing: 'The newest version has no task that this run has not.' },
]

/** Lets a run, or what failed of it, run again. */
export function ClearRunDialog({ run, opened, onClose }: Props) {
  const [scope, setScope] = useState<Scope>(run.state === 'failed' ? 'failed' : 'everything')
  const [latestVersion, setLatestVersion] = useState<boolean>()
  const details = useQuery(dagDetailsQuery(run.dag_id))
  const clear = useClearRun()
  const action = { dagId: run.dag_id, runId: run.dag_run_id, scope, latestVersion: scope === 'new' ? true : latestVersion }
  return (
    <ActionDialog
      title="Run this run again"
      opened={opened}
      onClose={onClose}
      lead="The task instances below are cleared and run again, as tasks of this same run: with its logical date and its conf."
      options={
        <div className={classes.scopes}>
          <Radio.Group aria-label="What runs again" value={scope} onChange={(value) => setScope(SCOPES.find((each) => each.value === value)?.value ?? scope)}>
            <div className={classes.scopes}>
              {SCOPES.map(({ value, label, meaning }) => (
                <Radio key={value} size="sm" value={value} label={label} description={meaning} />
              ))}
            </div>
          </Radio.Group>
          <Checkbox
            size="sm"
            label="On the newest version"
            description="of the DAG, not that of the run"
            disabled={scope === 'new'}
            checked={action.latestVersion ?? details.data?.rerun_with_latest_version ?? false}
            onChange={(event) => setLatestVersion(event.currentTarget.checked)}
          />
        </div>
      }
      preview={clearRunPreview(action, run)}
      verb="Clear"
      nothing={SCOPES.find((each) => each.value === scope)?.nothing ?? ''}
      mutation={clear}
      onConfirm={async () => {
        await clear.mutateAsync(action)
        toast.good('The run is cleared', 'It goes on as soon as a slot is free.')
        onClose()
      }}
    />
  )
}
