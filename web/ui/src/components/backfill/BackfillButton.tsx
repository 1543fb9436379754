import { Button, Modal } from '@mantine/core'
import { useState } from 'react'
import type { Backfill, DagDetails } from '../../api/model'
import { Icon } from '../../ui/Icon'
import { BackfillForm } from './BackfillForm'

interface Props {
  dag: DagDetails
  zone: string
  /** The one that is under way, if any: a DAG has one at a time. */
  active: Backfill | undefined
  small?: boolean
}

export function BackfillButton({ dag, zone, active, small = false }: Props) {
  const [open, setOpen] = useState(false)
  return (
    <>
      <Button
        size={small ? 'xs' : undefined}
        variant="default"
        leftSection={<Icon name="plus" size={14} />}
        disabled={active !== undefined}
        title={active === undefined ? undefined : `Backfill ${active.id} is under way; a DAG has one at a time`}
        onClick={() => setOpen(true)}
      >
        New backfill
      </Button>
      <Modal opened={open} onClose={() => setOpen(false)} size="lg" title={<b>Backfill {dag.dag_id}</b>} closeButtonProps={{ 'aria-label': 'Close' }}>
        <BackfillForm dagId={dag.dag_id} isPaused={dag.is_paused} zone={zone} onDone={() => setOpen(false)} />
      </Modal>
    </>
  )
}
