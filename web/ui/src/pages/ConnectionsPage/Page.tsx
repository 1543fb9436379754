import { Button } from '@mantine/core'
import { useSuspenseQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useDeferredValue, useState } from 'react'
import { CONNECTIONS_PER_PAGE, connectionsQuery, connectionTypesQuery } from '../../api/queries/connections'
import { PageHead } from '../../components/PageHead'
import { plural } from '../../lib/numbers'
import { EmptyMessage } from '../../ui/EmptyMessage'
import { Icon } from '../../ui/Icon'
import { Pages } from '../../ui/Pages'
import { Panel } from '../../ui/Panel'
import { SearchField } from '../../ui/SearchField'
import { ConnectionDialog } from './ConnectionDialog'
import classes from './ConnectionsPage.module.css'
import { ConnectionTable } from './ConnectionTable'

const route = getRouteApi('/signed-in/connections')

/** Where the things outside are that tasks reach. */
export function ConnectionsPage() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const page = search.page ?? 1
  // The list stays while another is asked for.
  const filter = useDeferredValue({ search: search.q, page: page - 1 })
  const { data } = useSuspenseQuery(connectionsQuery(filter))
  const { connection_types: types } = useSuspenseQuery(connectionTypesQuery).data
  const [making, setMaking] = useState(false)
  return (
    <>
      <PageHead
        documentTitle="Connections"
        title="Connections"
        description="Where something outside is, and what it asks for before it lets tasks in. Secrets are encrypted, and are not shown again."
        actions={
          <Button leftSection={<Icon name="plus" size={14} />} onClick={() => setMaking(true)}>
            New connection
          </Button>
        }
      />
      <Panel
        flush
        title={plural(data.total_entries, 'connection')}
        aside={
          <SearchField
            label="Search connections by id"
            className={classes.search}
            value={search.q ?? ''}
            onChange={(q) => void navigate({ search: { q: q === '' ? undefined : q }, replace: true })}
          />
        }
      >
        {data.connections.length > 0 ? (
          <ConnectionTable connections={data.connections} types={types} />
        ) : search.q === undefined ? (
          <EmptyMessage icon="key" title="There is no connection yet">
            <p>
              Make one here, or with <code>updraft connections add</code>. Those that the environment or a secrets backend holds are
              used by tasks, and not listed.
            </p>
          </EmptyMessage>
        ) : (
          <EmptyMessage icon="search" title="No connection has that in its id" />
        )}
        <Pages
          total={Math.ceil(data.total_entries / CONNECTIONS_PER_PAGE)}
          page={page}
          onChange={(to) => void navigate({ search: { ...search, page: to > 1 ? to : undefined } })}
        />
      </Panel>
      <ConnectionDialog opened={making} onClose={() => setMaking(false)} />
    </>
  )
}
