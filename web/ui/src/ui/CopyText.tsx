import { ActionIcon, Tooltip, UnstyledButton } from '@mantine/core'
import { useClipboard } from '@mantine/hooks'
import { Fragment } from 'react'
import classes from './CopyText.module.css'
import { Icon } from './Icon'

/** A short text that a click copies. */
export function CopyText({ text }: { text: string }) {
  const clipboard = useClipboard({ timeout: 1500 })
  return (
    <Tooltip label={clipboard.copied ? 'Copied' : 'Copy'}>
      <UnstyledButton className={classes.copy} onClick={() => clipboard.copy(text)} aria-label={`Copy ${text}`}>
        <code>
          {text.split(/(?<=\/)/).map((part, place) => (
            // A path breaks after its slashes, if it must.
            <Fragment key={place}>
              {part}
              <wbr />
            </Fragment>
          ))}
        </code>
        <Icon name={clipboard.copied ? 'check' : 'copy'} size={13} />
      </UnstyledButton>
    </Tooltip>
  )
}

export function CopyIcon({ text, label }: { text: string; label: string }) {
  const clipboard = useClipboard({ timeout: 1500 })
  return (
    <Tooltip label={clipboard.copied ? 'Copied' : label}>
      <ActionIcon aria-label={label} onClick={() => clipboard.copy(text)}>
        <Icon name={clipboard.copied ? 'check' : 'copy'} size={15} />
      </ActionIcon>
    </Tooltip>
  )
}
