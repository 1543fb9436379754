import { Modal } from '@mantine/core'
import type { ReactNode } from 'react'

/** Whether a dialog is there, and what it does to go. */
export interface Shown {
  opened: boolean
  onClose: () => void
}

interface Props extends Shown {
  /** What it is in a sentence: `pool`. */
  kind: string
  /** What is changed; a new one is made when absent. */
  name: string | undefined
  size?: 'md' | 'lg'
  children: ReactNode
}

/** The frame around the form of a connection, a pool or a variable. */
export function RecordDialog({ kind, name, size = 'lg', opened, onClose, children }: Props) {
  return (
    <Modal opened={opened} onClose={onClose} size={size} title={name === undefined ? `New ${kind}` : `Edit ${name}`}>
      {children}
    </Modal>
  )
}
