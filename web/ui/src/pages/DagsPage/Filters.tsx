import { MultiSelect, SegmentedControl, UnstyledButton } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { RunState } from '../../api/model'
import { dagCountQuery } from '../../api/queries/dags'
import { RUN_FACES } from '../../components/faces'
import type { DagsSearch } from '../../search'
import { Icon } from '../../ui/Icon'
import { SearchField } from '../../ui/SearchField'
import classes from './DagsPage.module.css'

interface Props {
  search: DagsSearch
  narrow: (change: Partial<DagsSearch>) => void
  /** The tags on this page; the choice offers them besides those already chosen. */
  tags: string[]
}

export function Filters({ search, narrow, tags }: Props) {
  const choices = [...new Set([...tags, ...(search.tags ?? [])])].sort()
  return (
    <div className={classes.filters} role="search" aria-label="Filter DAGs">
      <SearchField label="Search DAGs by name" className={classes.search} value={search.q ?? ''} onChange={(q) => narrow({ q: q === '' ? undefined : q })} />
      <PausedFilter value={search.paused} onChange={(paused) => narrow({ paused })} />
      <UnstyledButton
        className={classes.chip}
        data-tone="notice"
        aria-pressed={search.favorite === true}
        onClick={() => narrow({ favorite: search.favorite === true ? undefined : true })}
      >
        <Icon name="star" size={13} />
        Favourites
      </UnstyledButton>
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
