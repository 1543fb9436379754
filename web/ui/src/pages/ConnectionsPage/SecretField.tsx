import { Button, PasswordInput } from '@mantine/core'
import { useState } from 'react'
import classes from './ConnectionsPage.module.css'
import { MASK } from './draft'

interface Props {
  label: string
  description?: string
  placeholder?: string
  value: string
  onChange: (value: string) => void
}

/** A text that can be set and replaced, and not read. */
export function SecretField({ label, description, placeholder, value, onChange }: Props) {
  const [wasKept] = useState(value === MASK)
  if (value === MASK) {
    return (
      <div role="group" aria-label={label}>
        <div className={classes.label}>{label}</div>
        <div className={classes.kept}>
          <span>is set</span>
          <Button variant="default" size="compact-sm" onClick={() => onChange('')} aria-label={`Replace ${label}`}>
            Replace or remove
          </Button>
        </div>
      </div>
    )
  }
  return (
    <PasswordInput
      label={label}
      description={wasKept ? 'Empty removes it.' : description}
      placeholder={placeholder}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
      autoComplete="new-password"
      inputWrapperOrder={['label', 'input', 'description', 'error']}
      visibilityToggleButtonProps={{ 'aria-label': `Show ${label}` }}
      rightSection={
        wasKept ? (
          <Button variant="subtle" size="compact-xs" onClick={() => onChange(MASK)}>
            Keep
          </Button>
        ) : undefined
      }
      rightSectionWidth={wasKept ? 60 : undefined}
    />
  )
}
