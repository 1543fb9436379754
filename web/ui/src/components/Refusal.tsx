import { useEffect, useRef } from 'react'
import { messageOf } from '../api/errors'
import { Notice } from '../ui/Notice'
import { Prose } from '../ui/Prose'

interface Props {
  /** What was not done: `The pool was not saved`. */
  title: string
  /** Nothing is shown without one. */
  error: unknown
}

/** Why the server did not do what a person just asked for. */
export function Refusal({ title, error }: Props) {
  const notice = useRef<HTMLDivElement>(null)
  // It stands at the top of a form, whose buttons are at its end: of a long one only those are in sight.
  useEffect(() => notice.current?.scrollIntoView({ block: 'nearest' }), [error])
  if (error === null || error === undefined) return null
  return (
    <Notice ref={notice} urgent tone="bad" icon="alert" title={title}>
      <Prose text={messageOf(error)} />
    </Notice>
  )
}
