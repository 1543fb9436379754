import { useSuspenseQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useState } from 'react'
import type { DagDetails } from '../../api/model'
import { BACKFILLS_PER_PAGE, backfillsQuery } from '../../api/queries/backfills'
import { BackfillButton } from '../../components/backfill/BackfillButton'
import { BackfillDialog } from '../../components/backfill/BackfillDialog'
import { BackfillTable } from '../../components/backfill/BackfillTable'
import { plural } from '../../lib/numbers'
import type { DagSearch } from '../../search'
import { EmptyMessage } from '../../ui/EmptyMessage'
import { Pages } from '../../ui/Pages'
import { Panel } from '../../ui/Panel'

const route = getRouteApi('/signed-in/dags/$dagId')

interface Props {
  dag: DagDetails
  zone: string
  search: DagSearch
}

/** The backfills of a DAG, and a button to make one. */
export function BackfillsTab({ dag, zone, search }: Props) {
  const navigate = route.useNavigate()
  const page = search.page ?? 1
  const { data } = useSuspenseQuery(backfillsQuery({ dagId: dag.dag_id, page: page - 1 }))
  const [making, setMaking] = useState(false)
  const pages = Math.ceil(data.total_entries / BACKFILLS_PER_PAGE)
  const active = data.backfills.find((each) => each.completed_at === null)
  const button = dag.is_backfillable && <BackfillButton small={data.backfills.length > 0} active={active} onClick={() => setMaking(true)} />
  return (
    <Panel flush title={plural(data.total_entries, 'backfill')} aside={data.backfills.length > 0 && button}>
      {data.backfills.length > 0 ? (
        <BackfillTable backfills={data.backfills} zone={zone} />
      ) : dag.is_backfillable ? (
        <EmptyMessage icon="retry" title="No backfills yet">
          <p>A backfill makes the runs that the schedule would have made for a range of dates, or lets those that are there run again.</p>
          {button}
        </EmptyMessage>
      ) : (
        <EmptyMessage icon="calendar" title="There are no dates to fill in">
          <p>A backfill needs a schedule that says when, by cron or every so often, and a DAG that does not rule it out (allowed_run_types).</p>
        </EmptyMessage>
      )}
      {/* Beside the list, which the first backfill replaces. */}
      <BackfillDialog dag={dag} zone={zone} opened={making} onClose={() => setMaking(false)} />
      <Pages total={pages} page={page} onChange={(to) => void navigate({ search: { ...search, page: to > 1 ? to : undefined } })} />
    </Panel>
  )
}
