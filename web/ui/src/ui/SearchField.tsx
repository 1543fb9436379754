import { CloseButton, Kbd, TextInput } from '@mantine/core'
import { useDebouncedCallback, useHotkeys } from '@mantine/hooks'
import { useRef, useState } from 'react'
import { Icon } from './Icon'

const TYPING_MS = 200

interface Props {
  label: string
  className?: string
  value: string
  onChange: (value: string) => void
}

/** A search that waits for a pause in the typing; `/` leads to it from anywhere on the page. */
export function SearchField({ label, className, value, onChange }: Props) {
  const field = useRef<HTMLInputElement>(null)
  const [typed, setTyped] = useState(value)
  const [shown, setShown] = useState(value)
  // What was handed on and has not come back yet. On a busy machine that takes a while, and somebody goes on typing.
  const [told, setTold] = useState<string[]>([])
  // How often the address changed under the field, and not because of it: back, forward, or a cleared filter.
  const [changes, setChanges] = useState(0)
  const tell = useDebouncedCallback((text: string, since: number) => {
    if (since !== changes) return
    // The page is being left: it would lead back to itself.
    if (field.current?.closest('[inert]')) return
    setTold((before) => (text === (before.at(-1) ?? value) ? before : [...before, text]))
    onChange(text)
  }, TYPING_MS)
  if (value !== shown) {
    const place = told.lastIndexOf(value)
    setShown(value)
    setTold(place < 0 ? [] : told.slice(place + 1))
    if (place < 0) {
      setTyped(value)
      setChanges(changes + 1)
    }
  }
  useHotkeys([['/', () => field.current?.focus()]])

  const change = (text: string) => {
    setTyped(text)
    tell(text, changes)
  }
  return (
    <TextInput
      ref={field}
      className={className}
      type="search"
      aria-label={label}
      placeholder="Search by name"
      value={typed}
      onChange={(event) => change(event.currentTarget.value)}
      onKeyDown={(event) => event.key === 'Escape' && change('')}
      leftSection={<Icon name="search" size={15} />}
      rightSection={
        typed === '' ? <Kbd size="xs">/</Kbd> : <CloseButton size="sm" aria-label="Clear the search" onClick={() => change('')} />
      }
    />
  )
}
