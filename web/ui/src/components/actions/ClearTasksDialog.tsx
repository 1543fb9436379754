import { Checkbox } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { Relatives, TaskRef } from '../../api/model'
import { clearTasksPreview, useClearTasks } from '../../api/queries/actions'
import { dagDetailsQuery } from '../../api/queries/dags'
import { plural } from '../../lib/numbers'
import { toast } from '../../ui/toast'
import { ActionDialog } from './ActionDialog'
import { RelativesChoice } from './RelativesChoice'

interface Props {
  dagId: string
  runId: string
  tasks: TaskRef[]
  /** What the tasks are called in the title. */
  name: string
  hasDate: boolean
  opened: boolean
  onClose: () => void
}

/** Lets tasks of a run, and what goes with them, run again (Airflow: clear). */
export function ClearTasksDialog({ dagId, runId, tasks, name, hasDate, opened, onClose }: Props) {
  const [relatives, setRelatives] = useState<Relatives>({ include_downstream: true })
  const [onlyFailed, setOnlyFailed] = useState(false)
  const [latestVersion, setLatestVersion] = useState<boolean>()
  const details = useQuery(dagDetailsQuery(dagId))
  const clear = useClearTasks()
  const action = { dagId, runId, tasks, relatives, onlyFailed, latestVersion }
  return (
    <ActionDialog
      title={`Run again from ${name}`}
      opened={opened}
      onClose={onClose}
      lead="The task instances below are cleared: each runs again as soon as what it waits for is done, with all its retries. Earlier tries and their logs are kept."
      options={
        <RelativesChoice value={relatives} onChange={setRelatives} hasDate={hasDate}>
          <Checkbox
            size="sm"
            label="Only failed"
            description="leave what went well as it is"
            checked={onlyFailed}
            onChange={(event) => setOnlyFailed(event.currentTarget.checked)}
          />
          <Checkbox
            size="sm"
            label="On the newest version"
            description="of the DAG, not that of the run"
            checked={latestVersion ?? details.data?.rerun_with_latest_version ?? false}
            onChange={(event) => setLatestVersion(event.currentTarget.checked)}
          />
        </RelativesChoice>
      }
      preview={clearTasksPreview(action)}
      verb="Clear"
      nothing={onlyFailed ? 'None of them has failed.' : 'There is nothing to clear.'}
      mutation={clear}
      onConfirm={async () => {
        const cleared = await clear.mutateAsync(action)
        toast.good(`${plural(cleared.length, 'task instance')} cleared`, 'They run again.')
        onClose()
      }}
    />
  )
}
