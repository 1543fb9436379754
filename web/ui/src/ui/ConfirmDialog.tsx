import { Button, Modal } from '@mantine/core'
import classes from './ConfirmDialog.module.css'
import { useFocusBack } from './focusBack'
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
export function ConfirmDialog({ opened, onClose, question, ...answer }: Props) {
  return (
    <Modal opened={opened} onClose={onClose} title={question}>
      <Answer {...answer} onClose={onClose} />
    </Modal>
  )
}

function Answer({ onClose, consequence, label, danger = false, onConfirm }: Omit<Props, 'opened' | 'question'>) {
  useFocusBack()
  return (
    <>
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
    </>
  )
}
