import type { IconName } from '../../ui/Icon'
import { RefusableButton } from '../../ui/RefusableButton'

interface Props {
  label?: string
  icon?: IconName
  variant?: 'filled' | 'default'
  /** Why it cannot be pressed. */
  refusal: string | undefined
  onClick: () => void
}

/**
 * Leads to a [`TriggerDialog`]. That one has its place where nothing takes it away while somebody fills it in: not in a row, nor
 * in an empty list, which a run that begins meanwhile replaces.
 */
export function TriggerButton({ label = 'Trigger', icon = 'play', variant = 'filled', refusal, onClick }: Props) {
  return (
    <RefusableButton icon={icon} variant={variant} refusal={refusal} onClick={onClick}>
      {label}
    </RefusableButton>
  )
}
