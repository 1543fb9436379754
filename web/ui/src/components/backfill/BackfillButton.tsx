import type { Backfill } from '../../api/model'
import { RefusableButton } from '../../ui/RefusableButton'

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
    <RefusableButton icon="plus" size={small ? 'xs' : undefined} variant="default" refusal={refusal} onClick={onClick}>
      New backfill
    </RefusableButton>
  )
}
