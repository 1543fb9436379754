import { Button, Modal } from '@mantine/core'
import { useQuery, type UseQueryOptions } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { messageOf } from '../../api/errors'
import type { AffectedInstance } from '../../api/model'
import { plural } from '../../lib/numbers'
import { useFocusBack } from '../../ui/focusBack'
import { Notice } from '../../ui/Notice'
import { pressable } from '../../ui/pressable'
import classes from './Action.module.css'
import { Affected } from './Affected'

interface Props<Key extends readonly unknown[]> {
  title: string
  opened: boolean
  onClose: () => void
  /** What will have happened afterwards, in a sentence. */
  lead: string
  /** The choices that narrow or widen the action. */
  options: ReactNode
  preview: UseQueryOptions<AffectedInstance[], Error, AffectedInstance[], Key>
  /** `Clear`: stands before the number of task instances on the button. */
  verb: string
  /** What "nothing is touched" means here. */
  nothing: string
  danger?: boolean
  mutation: { isPending: boolean; error: Error | null }
  /**
   * Does it, and what follows. A promise rather than callbacks of the mutation, which are dropped when live updates take
   * away what the dialog belongs to before the answer is here. What it rejects with is the mutation's error.
   */
  onConfirm: () => Promise<void>
}

/** Asks before an action that touches task instances, and shows by a dry run exactly which. */
export function ActionDialog<Key extends readonly unknown[]>(props: Props<Key>) {
  const { title, opened, onClose } = props
  return (
    <Modal opened={opened} onClose={onClose} size="lg" title={title}>
      <Body {...props} />
    </Modal>
  )
}

function Body<Key extends readonly unknown[]>({ onClose, lead, options, preview, verb, nothing, danger, mutation, onConfirm }: Props<Key>) {
  const affected = useQuery(preview)
  useFocusBack()
  const count = affected.data?.length ?? 0
  const running = affected.data?.filter((each) => each.state === 'running').length ?? 0
  const error = affected.error ?? mutation.error
  // A click must not meet a list that is not the one on the screen.
  const settled = affected.isSuccess && !affected.isPlaceholderData
  return (
    <>
      <p className={classes.lead}>{lead}</p>
      {options}
      {!affected.isError && <Affected instances={affected.data} stale={affected.isPlaceholderData} nothing={nothing} />}
      {running > 0 && (
        <div className={classes.warning}>
          <Notice tone="notice" icon="alert">
            {plural(running, 'task instance is', 'task instances are')} running and will be stopped.
          </Notice>
        </div>
      )}
      {error !== null && (
        <div className={classes.warning}>
          <Notice tone="bad" icon="alert" urgent>
            {messageOf(error)}
          </Notice>
        </div>
      )}
      <div className={classes.buttons}>
        <Button variant="default" onClick={onClose}>
          Cancel
        </Button>
        {/* Not `disabled` while the answer is awaited: it would not take the focus, which then stayed behind the dialog. */}
        <Button
          color={danger === true ? 'var(--bad)' : undefined}
          loading={mutation.isPending}
          data-autofocus
          {...pressable(settled && count > 0 ? undefined : nothing, () => void onConfirm().catch(() => undefined))}
        >
          {count === 0 ? verb : `${verb} ${plural(count, 'task instance')}`}
        </Button>
      </div>
    </>
  )
}
