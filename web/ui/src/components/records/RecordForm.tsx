import { Button } from '@mantine/core'
import type { ReactNode } from 'react'
import { DialogButtons, Form } from '../../ui/Form'
import { toast } from '../../ui/toast'
import { Refusal } from '../Refusal'

/** A mutation that saves what was typed. */
interface Save<Body> {
  mutate: (body: Body, options: { onSuccess: () => void }) => void
  isPending: boolean
  error: Error | null
}

interface Props<Body> {
  /** What it is in a sentence: `pool`. */
  kind: string
  isNew: boolean
  create: Save<Body>
  change: Save<Body>
  /** What is to be saved, and its name; undefined when something is wrong with it, which its field says. */
  read: () => { name: string; body: Body } | undefined
  onDone: () => void
  /** A button beside those to leave and to save. */
  aside?: ReactNode
  /** The fields. */
  children: ReactNode
}

/** The form of a connection, a pool or a variable: it saves, and says what became of it. */
export function RecordForm<Body>({ kind, isNew, create, change, read, onDone, aside, children }: Props<Body>) {
  const save = isNew ? create : change
  const submit = () => {
    const given = read()
    if (given === undefined) return
    save.mutate(given.body, {
      onSuccess: () => {
        toast.good(`The ${kind} ${given.name} is ${isNew ? 'there' : 'changed'}`)
        onDone()
      },
    })
  }
  return (
    <Form autoComplete="off" onSubmit={submit}>
      <Refusal title={`The ${kind} was not saved`} error={save.error} />
      {children}
      <DialogButtons>
        {aside}
        <Button variant="default" onClick={onDone}>
          Cancel
        </Button>
        <Button type="submit" loading={save.isPending}>
          {isNew ? `Make the ${kind}` : 'Save'}
        </Button>
      </DialogButtons>
    </Form>
  )
}
