import { Modal } from '@mantine/core'
import type { DagDetails } from '../../api/model'
import { BackfillForm } from './BackfillForm'

interface Props {
  dag: DagDetails
  zone: string
  opened: boolean
  onClose: () => void
}

/** Asks for what a backfill is made of. */
export function BackfillDialog({ dag, zone, opened, onClose }: Props) {
  return (
    <Modal opened={opened} onClose={onClose} size="lg" title={`Backfill ${dag.dag_id}`}>
      <BackfillForm dagId={dag.dag_id} isPaused={dag.is_paused} zone={zone} keepsVersion={dag.rerun_with_latest_version === false} onDone={onClose} />
    </Modal>
  )
}
