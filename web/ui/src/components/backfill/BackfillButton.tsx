import { Button, Tooltip } from '@mantine/core'
import type { Backfill } from '../../api/model'
import { Icon } from '../../ui/Icon'
import { pressable } from '../../ui/pressable'

interface Props {
  /** The one that is under way, if any: a DAG has one at a time. */
  active: Backfill | undefined
  small?: boolean
  onClick: () => void
}

/** Leads to the form of a backfill. */
export function BackfillButton({ active, small = false, onClick }: Props) {
  const refusal = active === undefined ? undefined : `Backfill ${active.id} is under way; a DAG has one at a time`
  return (
    <Tooltip label={refusal} disabled={refusal === undefined}>
      <Button size={small ? 'xs' : undefined} variant="default" leftSection={<Icon name="plus" size={14} />} {...pressable(refusal, onClick)}>
        New backfill
      </Button>
    </Tooltip>
  )
}
