import { ActionIcon, Tooltip } from '@mantine/core'
import { Icon, type IconName } from './Icon'

interface Props {
  icon: IconName
  label: string
  /** What it does is under way. */
  busy?: boolean
  onClick: () => void
}

/** A button of a row: a picture, whose words are its tooltip and its name. */
export function IconButton({ icon, label, busy = false, onClick }: Props) {
  return (
    <Tooltip label={label}>
      <ActionIcon size={32} aria-label={label} loading={busy} onClick={onClick}>
        <Icon name={icon} size={15} />
      </ActionIcon>
    </Tooltip>
  )
}
