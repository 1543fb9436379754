import type { ReactNode } from 'react'
import { plural } from '../lib/numbers'
import type { ListSearch } from '../search'
import { EmptyMessage } from '../ui/EmptyMessage'
import { Pages } from '../ui/Pages'
import { Panel } from '../ui/Panel'
import { SearchField } from '../ui/SearchField'
import classes from './ListPanel.module.css'

interface Props {
  /** What is listed: `connection`. */
  noun: string
  /** What of it is searched: `id`. */
  by: string
  /** In the address. */
  search: ListSearch
  onSearch: (search: ListSearch, options: { replace: boolean }) => void
  list: {
    /** How many of the list are on the page. */
    shown: number
    total: number
    perPage: number
  }
  /** What is said when there is nothing to search for. */
  empty: ReactNode
  /** The table. */
  children: ReactNode
}

/** A list with a search, page by page. */
export function ListPanel({ noun, by, search, onSearch, list, empty, children }: Props) {
  return (
    <Panel
      flush
      title={plural(list.total, noun)}
      aside={
        <SearchField
          label={`Search ${noun}s by ${by}`}
          className={classes.search}
          value={search.q ?? ''}
          onChange={(q) => onSearch({ q: q === '' ? undefined : q }, { replace: true })}
        />
      }
    >
      {list.shown > 0 ? children : search.q === undefined ? empty : <EmptyMessage icon="search" title={`No ${noun} has that in its ${by}`} />}
      <Pages
        total={Math.ceil(list.total / list.perPage)}
        page={search.page ?? 1}
        onChange={(to) => onSearch({ ...search, page: to > 1 ? to : undefined }, { replace: false })}
      />
    </Panel>
  )
}
