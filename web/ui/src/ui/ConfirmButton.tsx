import { Button } from '@mantine/core'
import { useState } from 'react'
import { ConfirmDialog } from './ConfirmDialog'
import { Icon, type IconName } from './Icon'
import { IconButton } from './IconButton'

interface Props {
  label: string
  icon: IconName
  question: string
  /** What will have happened afterwards. */
  consequence: string
  danger?: boolean
  busy?: boolean
  /** Only the icon: for rows. */
  compact?: boolean
  /** What the button in the dialog says; the label when absent. */
  confirm?: string
  onConfirm: () => void
}

/** A button for what cannot be taken back: it asks first. */
export function ConfirmButton({ label, icon, busy = false, compact = false, confirm = label, ...question }: Props) {
  const [open, setOpen] = useState(false)
  return (
    <>
      {compact ? (
        <IconButton icon={icon} label={label} busy={busy} onClick={() => setOpen(true)} />
      ) : (
        <Button variant="default" leftSection={<Icon name={icon} size={14} />} loading={busy} onClick={() => setOpen(true)}>
          {label}
        </Button>
      )}
      <ConfirmDialog {...question} label={confirm} opened={open} onClose={() => setOpen(false)} />
    </>
  )
}
