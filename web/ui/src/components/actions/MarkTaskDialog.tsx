import { useState } from 'react'
import type { MarkedState, Relatives, TaskRef } from '../../api/model'
import { markTaskPreview, useMarkTask } from '../../api/queries/actions'
import { plural } from '../../lib/numbers'
import { toast } from '../../ui/toast'
import { ActionDialog } from './ActionDialog'
import { RelativesChoice } from './RelativesChoice'

interface Props {
  dagId: string
  runId: string
  task: TaskRef
  name: string
  state: MarkedState
  hasDate: boolean
  opened: boolean
  onClose: () => void
}

const LEADS: Record<MarkedState, string> = {
  success: 'The task instances below count as done. What waits for them goes on.',
  failed: 'The task instances below count as failed, without another try.',
  skipped: 'The task instances below count as skipped; so does what skips with them.',
}

/** Gives a task, and what goes with it, an end state by hand (Airflow: mark). */
export function MarkTaskDialog({ dagId, runId, task, name, state, hasDate, opened, onClose }: Props) {
  const [relatives, setRelatives] = useState<Relatives>({})
  const mark = useMarkTask()
  const action = { dagId, runId, task, state, relatives }
  return (
    <ActionDialog
      title={`Mark ${name} as ${state}`}
      opened={opened}
      onClose={onClose}
      lead={LEADS[state]}
      options={<RelativesChoice value={relatives} onChange={setRelatives} hasDate={hasDate} />}
      preview={markTaskPreview(action)}
      verb="Mark"
      nothing={`All of them are in the state ${state} already.`}
      danger={state === 'failed'}
      mutation={mark}
      onConfirm={async () => {
        const marked = await mark.mutateAsync(action)
        toast.good(`${plural(marked.length, 'task instance')} marked as ${state}`)
        onClose()
      }}
    />
  )
}
