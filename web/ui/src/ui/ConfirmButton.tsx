import { Button } from '@mantine/core'
import { useState } from 'react'
import { ConfirmDialog } from './ConfirmDialog'
import { Icon, type IconName } from './Icon'

interface Props {
  label: string
  icon: IconName
  question: string
  /** What will have happened afterwards. */
  consequence: string
  danger?: boolean
  busy?: boolean
  onConfirm: () => void
}

/** A button for what cannot be taken back: it asks first. */
export function ConfirmButton({ icon, busy = false, ...question }: Props) {
  const [open, setOpen] = useState(false)
  return (
    <>
      <Button variant="default" leftSection={<Icon name={icon} size={14} />} loading={busy} onClick={() => setOpen(true)}>
        {question.label}
      </Button>
      <ConfirmDialog {...question} opened={open} onClose={() => setOpen(false)} />
    </>
  )
}
