import { CloseButton, Kbd, MultiSelect, SegmentedControl, TextInput, UnstyledButton } from '@mantine/core'
import { useDebouncedCallback, useHotkeys } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { useRef, useState } from 'react'
import type { RunState } from '../../api/model'
import { dagCountQuery } from '../../api/queries/dags'
import { RUN_FACES } from '../../components/faces'
import type { DagsSearch } from '../../search'
import { Icon } from '../../ui/Icon'
import classes from './DagsPage.module.css'

interface Props {
  search: DagsSearch
  narrow: (change: Partial<DagsSearch>) => void
  /** The tags on this page; the choice offers them besides those already chosen. */
  tags: string[]
}

const TYPING_MS = 200

export function Filters({ search, narrow, tags }: Props) {
  const choices = [...new Set([...tags, ...(search.tags ?? [])])].sort()
  return (
    <div className={classes.filters} role="search" aria-label="Filter DAGs">
      <SearchField value={search.q ?? ''} onChange={(q) => narrow({ q: q === '' ? undefined : q })} />
      <PausedFilter value={search.paused} onChange={(paused) => narrow({ paused })} />
      <div className={classes.chips} role="group" aria-label="State of the last run">
        {(Object.keys(RUN_FACES) as RunState[]).map((state) => (
          <StateChip
            key={state}
            state={state}
            active={search.state === state}
            onToggle={() => narrow({ state: search.state === state ? undefined : state })}
          />
        ))}
      </div>
      {choices.length > 0 && (
        <MultiSelect
          className={classes.tagFilter}
          aria-label="Tags"
          placeholder={search.tags === undefined ? 'Any tag' : undefined}
          data={choices}
          value={search.tags ?? []}
          onChange={(value) => narrow({ tags: value.length > 0 ? value : undefined })}
          leftSection={<Icon name="tag" size={14} />}
          size="sm"
          searchable
          clearable={false}
          hidePickedOptions
        />
      )}
    </div>
  )
}

function SearchField({ value, onChange }: { value: string; onChange: (value: string) => void }) {
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
      className={classes.search}
      type="search"
      aria-label="Search DAGs by name"
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

function PausedFilter({ value, onChange }: { value: boolean | undefined; onChange: (value: boolean | undefined) => void }) {
  const all = useQuery(dagCountQuery({}))
  const active = useQuery(dagCountQuery({ paused: false }))
  const paused = useQuery(dagCountQuery({ paused: true }))
  const label = (word: string, count: number | undefined) => (
    <span className={classes.segment}>
      {word} <span className={classes.segmentCount}>{count ?? ''}</span>
    </span>
  )
  return (
    <SegmentedControl
      size="sm"
      aria-label="Active or paused"
      value={value === undefined ? 'all' : value ? 'paused' : 'active'}
      onChange={(choice) => onChange(choice === 'all' ? undefined : choice === 'paused')}
      data={[
        { value: 'all', label: label('All', all.data) },
        { value: 'active', label: label('Active', active.data) },
        { value: 'paused', label: label('Paused', paused.data) },
      ]}
    />
  )
}

function StateChip({ state, active, onToggle }: { state: RunState; active: boolean; onToggle: () => void }) {
  const face = RUN_FACES[state]
  const count = useQuery(dagCountQuery({ lastState: state })).data
  return (
    <UnstyledButton
      className={classes.chip}
      data-tone={face.tone}
      data-none={count === 0 || undefined}
      aria-pressed={active}
      onClick={onToggle}
    >
      <Icon name={face.icon} size={13} spinning={face.spinning === true && (count ?? 0) > 0} />
      {face.label}
      {count !== undefined && <span className={classes.chipCount}>{count}</span>}
    </UnstyledButton>
  )
}
