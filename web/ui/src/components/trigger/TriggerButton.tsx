import { Button, Tooltip } from '@mantine/core'
import { Icon, type IconName } from '../../ui/Icon'
import { pressable } from '../../ui/pressable'

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
    <Tooltip label={refusal} disabled={refusal === undefined}>
      <Button variant={variant} leftSection={<Icon name={icon} size={14} />} {...pressable(refusal, onClick)}>
        {label}
      </Button>
    </Tooltip>
  )
}
