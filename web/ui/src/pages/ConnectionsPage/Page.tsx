import { useSuspenseQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useDeferredValue } from 'react'
import { CONNECTIONS_PER_PAGE, connectionsQuery, connectionTypesQuery } from '../../api/queries/connections'
import { ListPanel } from '../../components/ListPanel'
import { PageHead } from '../../components/PageHead'
import { NewButton } from '../../components/records/RecordButtons'
import { EmptyMessage } from '../../ui/EmptyMessage'
import { ConnectionDialog } from './ConnectionDialog'
import { ConnectionTable } from './ConnectionTable'

const route = getRouteApi('/signed-in/connections')

/** Where the things outside are that tasks reach. */
export function ConnectionsPage() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  // The list stays while another is asked for.
  const filter = useDeferredValue({ search: search.q, page: (search.page ?? 1) - 1 })
  const { data } = useSuspenseQuery(connectionsQuery(filter))
  const { connection_types: types } = useSuspenseQuery(connectionTypesQuery).data
  return (
    <>
      <PageHead
        documentTitle="Connections"
        title="Connections"
        description="Where something outside is, and what it asks for before it lets tasks in. Secrets are encrypted, and are not shown again."
        actions={<NewButton kind="connection" dialog={(shown) => <ConnectionDialog {...shown} />} />}
      />
      <ListPanel
        noun="connection"
        by="id"
        search={search}
        onSearch={(to, options) => void navigate({ search: to, ...options })}
        list={{ shown: data.connections.length, total: data.total_entries, perPage: CONNECTIONS_PER_PAGE }}
        empty={
          <EmptyMessage icon="key" title="There is no connection yet">
            <p>
              Make one here, or with <code>updraft connections add</code>. Those that the environment or a secrets backend holds are
              used by tasks, and not listed.
            </p>
          </EmptyMessage>
        }
      >
        <ConnectionTable connections={data.connections} types={types} />
      </ListPanel>
    </>
  )
}
