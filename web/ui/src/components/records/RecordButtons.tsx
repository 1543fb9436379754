import { Button } from '@mantine/core'
import { useState, type ReactNode } from 'react'
import { messageOf } from '../../api/errors'
import { ConfirmButton } from '../../ui/ConfirmButton'
import { Icon } from '../../ui/Icon'
import { IconButton } from '../../ui/IconButton'
import { toast } from '../../ui/toast'
import type { Shown } from './RecordDialog'

type DialogOf = (shown: Shown) => ReactNode

/** Leads from the head of a page to the form of a new connection, pool or variable. */
export function NewButton({ kind, dialog }: { kind: string; dialog: DialogOf }) {
  const [opened, setOpened] = useState(false)
  return (
    <>
      <Button leftSection={<Icon name="plus" size={14} />} onClick={() => setOpened(true)}>
        {`New ${kind}`}
      </Button>
      {dialog({ opened, onClose: () => setOpened(false) })}
    </>
  )
}

/** Leads from a row to the form of what the row shows. */
export function EditButton({ name, dialog }: { name: string; dialog: DialogOf }) {
  const [opened, setOpened] = useState(false)
  return (
    <>
      <IconButton icon="pencil" label={`Edit ${name}`} onClick={() => setOpened(true)} />
      {dialog({ opened, onClose: () => setOpened(false) })}
    </>
  )
}

interface DeleteProps {
  /** What it is in a sentence: `pool`. */
  kind: string
  name: string
  /** What will have happened afterwards. */
  consequence: string
  remove: { mutateAsync: (name: string) => Promise<unknown>; isPending: boolean }
}

/** Deletes what a row shows, after a question. */
export function DeleteButton({ kind, name, consequence, remove }: DeleteProps) {
  return (
    <ConfirmButton
      compact
      danger
      label={`Delete ${name}`}
      confirm="Delete"
      icon="trash"
      question={`Delete the ${kind} ${name}?`}
      consequence={consequence}
      busy={remove.isPending}
      onConfirm={() =>
        // Not by callbacks of `mutate`: the list may be without this row before the answer is here.
        void remove.mutateAsync(name).then(
          () => toast.good(`The ${kind} ${name} is deleted`),
          (error: unknown) => toast.bad(`The ${kind} was not deleted`, messageOf(error)),
        )
      }
    />
  )
}
