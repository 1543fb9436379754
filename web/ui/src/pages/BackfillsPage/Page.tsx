import { useSuspenseQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useDeferredValue } from 'react'
import { BACKFILLS_PER_PAGE, backfillsQuery } from '../../api/queries/backfills'
import { BackfillTable } from '../../components/backfill/BackfillTable'
import { PageHead } from '../../components/PageHead'
import { plural } from '../../lib/numbers'
import { EmptyMessage } from '../../ui/EmptyMessage'
import { Pages } from '../../ui/Pages'
import { Panel } from '../../ui/Panel'

const route = getRouteApi('/signed-in/backfills')

/** The backfills of all DAGs. */
export function BackfillsPage() {
  const navigate = route.useNavigate()
  const page = route.useSearch().page ?? 1
  // The list stays while another page is asked for.
  const shown = useDeferredValue(page)
  const { data } = useSuspenseQuery(backfillsQuery({ page: shown - 1 }))
  const pages = Math.ceil(data.total_entries / BACKFILLS_PER_PAGE)
  return (
    <>
      <PageHead
        documentTitle="Backfills"
        title="Backfills"
        description="Runs for dates in the past, of all DAGs. A backfill is made on the page of its DAG."
      />
      <Panel flush title={plural(data.total_entries, 'backfill')}>
        {data.backfills.length > 0 ? (
          <BackfillTable backfills={data.backfills} />
        ) : (
          <EmptyMessage icon="retry" title="No backfills yet">
            <p>Open a DAG and its tab Backfills to run a range of dates.</p>
          </EmptyMessage>
        )}
        <Pages total={pages} page={page} onChange={(to) => void navigate({ search: { page: to > 1 ? to : undefined } })} />
      </Panel>
    </>
  )
}
