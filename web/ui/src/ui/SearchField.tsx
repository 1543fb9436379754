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
  const tell = useDebouncedCallback(onChange, TYPING_MS)
  // The address may change under the field: back, forward, or a cleared filter.
  if (value !== shown) {
    setShown(value)
    setTyped(value)
  }
  useHotkeys([['/', () => field.current?.focus()]])

  const change = (text: string) => {
    setTyped(text)
    tell(text)
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
