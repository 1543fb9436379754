import { Button, Modal } from '@mantine/core'
import classes from './ConfirmDialog.module.css'
import { DialogButtons } from './Form'

interface Props {
  opened: boolean
  onClose: () => void
  question: string
  /** What will have happened afterwards. */
  consequence: string
  label: string
  danger?: boolean
  onConfirm: () => void
}

/** Asks before what cannot be taken back. */
export function ConfirmDialog({ opened, onClose, question, consequence, label, danger = false, onConfirm }: Props) {
  return (
    <Modal opened={opened} onClose={onClose} title={question}>
      <p className={classes.text}>{consequence}</p>
      <DialogButtons>
        <Button variant="default" onClick={onClose} data-autofocus>
          Cancel
        </Button>
        <Button
          color={danger ? 'var(--bad)' : undefined}
          onClick={() => {
            onClose()
            onConfirm()
          }}
        >
          {label}
        </Button>
      </DialogButtons>
    </Modal>
  )
}
