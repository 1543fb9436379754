import { Modal, Skeleton } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { messageOf } from '../../api/errors'
import { dagDetailsQuery } from '../../api/queries/dags'
import { Notice } from '../../ui/Notice'
import { readParams } from './params'
import { TriggerForm } from './TriggerForm'

interface Props {
  dagId: string
  isPaused: boolean
  opened: boolean
  onClose: () => void
  /** A conf to start from instead of the defaults. */
  conf: Record<string, unknown> | null
}

/** Asks for what a run needs, in a form made from the DAG's params. */
export function TriggerDialog({ dagId, isPaused, opened, onClose, conf }: Props) {
  const details = useQuery({ ...dagDetailsQuery(dagId), enabled: opened })
  return (
    <Modal opened={opened} onClose={onClose} size="lg" title={`Trigger ${dagId}`}>
      {details.isError ? (
        <Notice tone="bad" icon="alert">
          {messageOf(details.error)}
        </Notice>
      ) : details.data === undefined ? (
        <Skeleton height={180} role="status" aria-label="Loading the params" />
      ) : (
        <TriggerForm
          dagId={dagId}
          isPaused={isPaused}
          zone={details.data.timezone ?? 'UTC'}
          isPartitioned={details.data.timetable_partitioned}
          params={readParams(details.data.params)}
          conf={conf}
          onDone={onClose}
        />
      )}
    </Modal>
  )
}
