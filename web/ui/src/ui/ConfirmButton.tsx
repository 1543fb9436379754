import { Button, Modal } from '@mantine/core'
import { useState } from 'react'
import classes from './ConfirmButton.module.css'
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
export function ConfirmButton({ label, icon, question, consequence, danger = false, busy = false, onConfirm }: Props) {
  const [open, setOpen] = useState(false)
  return (
    <>
      <Button variant="default" leftSection={<Icon name={icon} size={14} />} loading={busy} onClick={() => setOpen(true)}>
        {label}
      </Button>
      <Modal opened={open} onClose={() => setOpen(false)} title={<b>{question}</b>} closeButtonProps={{ 'aria-label': 'Close' }}>
        <p className={classes.text}>{consequence}</p>
        <div className={classes.actions}>
          <Button variant="default" onClick={() => setOpen(false)} data-autofocus>
            Cancel
          </Button>
          <Button
            color={danger ? 'var(--bad)' : undefined}
            onClick={() => {
              setOpen(false)
              onConfirm()
            }}
          >
            {label}
          </Button>
        </div>
      </Modal>
    </>
  )
}
