import { Button, Pagination, Skeleton } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { useState } from 'react'
import type { DagRow } from '../../api/model'
import { DAGS_PER_PAGE, dagListQuery, importErrorsQuery } from '../../api/queries/dags'
import { PageHead } from '../../components/PageHead'
import { TriggerDialog } from '../../components/trigger/TriggerDialog'
import { plural } from '../../lib/numbers'
import { paths } from '../../paths'
import type { DagsSearch } from '../../search'
import { EmptyMessage } from '../../ui/EmptyMessage'
import { Icon } from '../../ui/Icon'
import { DagTable } from './DagTable'
import classes from './DagsPage.module.css'
import { Filters } from './Filters'

const route = getRouteApi('/signed-in/dags')

export function DagsPage() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const page = search.page ?? 1
  const list = useQuery(
    dagListQuery({
      search: search.q,
      tags: search.tags,
      paused: search.paused,
      lastState: search.state,
      favorite: search.favorite,
      page: page - 1,
    }),
  )
  const narrow = (change: Partial<DagsSearch>) =>
    void navigate({ search: (before) => ({ ...before, page: undefined, ...change }), replace: true })
  const toggleTag = (tag: string) => {
    const tags = search.tags ?? []
    const next = tags.includes(tag) ? tags.filter((each) => each !== tag) : [...tags, tag]
    narrow({ tags: next.length > 0 ? next : undefined })
  }

  const [asked, setAsked] = useState<{ dag: DagRow; opened: boolean }>()

  const dags = list.data?.dags ?? []
  const total = list.data?.total_entries ?? 0
  const pages = Math.ceil(total / DAGS_PER_PAGE)
  return (
    <>
      <PageHead documentTitle="DAGs" title="DAGs" />
      <ImportErrorBanner />
      <Filters search={search} narrow={narrow} tags={dags.flatMap((dag) => dag.tags.map((tag) => tag.name))} />
      {list.isPending ? (
        <TableSkeleton />
      ) : dags.length === 0 ? (
        <NothingFound search={search} clear={() => void navigate({ search: {}, replace: true })} />
      ) : (
        <DagTable
          dags={dags}
          tags={search.tags ?? []}
          toggleTag={toggleTag}
          onTrigger={(dag) => setAsked({ dag, opened: true })}
          stale={list.isPlaceholderData}
        />
      )}
      {/* Not in its row, which goes when the DAG fits the filters no more. */}
      {asked !== undefined && (
        <TriggerDialog
          key={asked.dag.dag_id}
          dagId={asked.dag.dag_id}
          isPaused={(dags.find((dag) => dag.dag_id === asked.dag.dag_id) ?? asked.dag).is_paused}
          opened={asked.opened}
          onClose={() => setAsked({ ...asked, opened: false })}
          conf={null}
        />
      )}
      {pages > 1 && (
        <div className={classes.pages}>
          <Pagination
            total={pages}
            value={page}
            onChange={(to) => void navigate({ search: (before) => ({ ...before, page: to > 1 ? to : undefined }) })}
            getControlProps={(control) => ({ 'aria-label': `Go to the ${control} page` })}
          />
        </div>
      )}
    </>
  )
}

function ImportErrorBanner() {
  const errors = useQuery(importErrorsQuery)
  const count = errors.data?.total_entries ?? 0
  if (count === 0) return null
  return (
    <Link {...paths.importErrors()} className={classes.banner} data-tone="bad">
      <Icon name="alert" size={18} />
      <span>
        <b>{plural(count, 'DAG file does', 'DAG files do')} not load.</b> The last good version of its DAGs goes on running.
      </span>
      <span className={classes.bannerGo}>
        Show why <Icon name="chevronRight" size={14} />
      </span>
    </Link>
  )
}

function NothingFound({ search, clear }: { search: DagsSearch; clear: () => void }) {
  const filtered = Object.values(search).some((value) => value !== undefined)
  return (
    <div className={classes.sheet}>
      {filtered ? (
        <EmptyMessage icon="search" title="No DAG matches">
          <p>Nothing here fits all of the filters.</p>
          <Button variant="default" onClick={clear}>
            Clear the filters
          </Button>
        </EmptyMessage>
      ) : (
        <EmptyMessage icon="graph" title="No DAGs yet">
          <p>
            Save a YAML file in the DAGs folder, and it shows here within a second. <code>updraft schema</code> prints the
            schema that lets your editor complete and check it.
          </p>
        </EmptyMessage>
      )}
    </div>
  )
}

function TableSkeleton() {
  return (
    <div className={classes.sheet} role="status" aria-label="Loading DAGs">
      {Array.from({ length: 6 }, (_, row) => (
        <div key={row} className={classes.skeletonRow}>
          <Skeleton width={34} height={18} radius="xl" />
          <Skeleton width="26%" height={14} />
          <Skeleton width="18%" height={14} />
          <Skeleton width="12%" height={14} />
          <Skeleton width={150} height={26} />
        </div>
      ))}
    </div>
  )
}
