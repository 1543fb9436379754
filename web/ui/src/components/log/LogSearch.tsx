import { ActionIcon, Kbd, TextInput } from '@mantine/core'
import type { KeyboardEvent, RefObject } from 'react'
import { Icon } from '../../ui/Icon'
import classes from './Log.module.css'

interface Props {
  field: RefObject<HTMLInputElement | null>
  search: string
  onSearch: (text: string) => void
  /** From zero. */
  current: number
  hits: number
  onGo: (step: 1 | -1) => void
}

export function LogSearch({ field, search, onSearch, current, hits, onGo }: Props) {
  const onKey = (event: KeyboardEvent) => {
    if (event.key === 'Enter') onGo(event.shiftKey ? -1 : 1)
    if (event.key === 'Escape') onSearch('')
  }
  return (
    <div className={classes.search}>
      <TextInput
        ref={field}
        size="xs"
        type="search"
        aria-label="Search the log"
        placeholder="Search the log"
        value={search}
        onChange={(event) => onSearch(event.currentTarget.value)}
        onKeyDown={onKey}
        leftSection={<Icon name="search" size={13} />}
        rightSection={search === '' ? <Kbd size="xs">/</Kbd> : null}
      />
      {search !== '' && (
        <>
          <span className={classes.hits} role="status">
            {hits === 0 ? 'No match' : `${current + 1} of ${hits}`}
          </span>
          <ActionIcon size="sm" aria-label="Previous match" disabled={hits === 0} onClick={() => onGo(-1)}>
            <Icon name="chevronUp" size={14} />
          </ActionIcon>
          <ActionIcon size="sm" aria-label="Next match" disabled={hits === 0} onClick={() => onGo(1)}>
            <Icon name="chevronDown" size={14} />
          </ActionIcon>
        </>
      )}
    </div>
  )
}
