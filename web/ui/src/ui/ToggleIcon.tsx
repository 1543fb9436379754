import { ActionIcon, Tooltip } from '@mantine/core'
import { Icon, type IconName } from './Icon'

interface Props {
  icon: IconName
  label: string
  /** Left out for a button that does something and has no state. */
  on?: boolean
  onToggle: () => void
}

/** A small button with a picture; its words are its tooltip and its name. */
export function ToggleIcon({ icon, label, on, onToggle }: Props) {
  return (
    <Tooltip label={label}>
      <ActionIcon
        size={30}
        variant={on === true ? 'default' : 'subtle'}
        aria-label={label}
        aria-pressed={on}
        onClick={onToggle}
      >
        <Icon name={icon} size={15} />
      </ActionIcon>
    </Tooltip>
  )
}
