import { ActionIcon, Button, Modal, Tooltip } from '@mantine/core'
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
  /** Only the icon: for rows. */
  compact?: boolean
  /** What the button in the dialog says; the label when absent. */
  confirm?: string
  onConfirm: () => void
}

/** A button for what cannot be taken back: it asks first. */
export function ConfirmButton({ label, icon, question, consequence, danger = false, busy = false, compact = false, confirm = label, onConfirm }: Props) {
  const [open, setOpen] = useState(false)
  return (
    <>
      {compact ? (
        <Tooltip label={label}>
          <ActionIcon size={32} aria-label={label} loading={busy} onClick={() => setOpen(true)}>
            <Icon name={icon} size={15} />
          </ActionIcon>
        </Tooltip>
      ) : (
        <Button variant="default" leftSection={<Icon name={icon} size={14} />} loading={busy} onClick={() => setOpen(true)}>
          {label}
        </Button>
      )}
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
            {confirm}
          </Button>
        </div>
      </Modal>
    </>
  )
}
