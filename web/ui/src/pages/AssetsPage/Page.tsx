import { useSuspenseQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { useDeferredValue } from 'react'
import type { Asset } from '../../api/model'
import { ASSETS_PER_PAGE, assetsQuery } from '../../api/queries/assets'
import { DagLinks } from '../../components/assets/DagLinks'
import { ListPanel } from '../../components/ListPanel'
import { PageHead } from '../../components/PageHead'
import { Time } from '../../components/Time'
import { paths } from '../../paths'
import { EmptyMessage } from '../../ui/EmptyMessage'
import { Table } from '../../ui/Table'
import classes from './AssetsPage.module.css'

const route = getRouteApi('/signed-in/assets')

/** The data that DAGs make and wait for. */
export function AssetsPage() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  // The list stays while another is asked for.
  const filter = useDeferredValue({ search: search.q, page: (search.page ?? 1) - 1 })
  const { data } = useSuspenseQuery(assetsQuery(filter))
  return (
    <>
      <PageHead
        documentTitle="Assets"
        title="Assets"
        description="Data that tasks make (their outlets) and that DAGs wait for (their schedule). A DAG runs as soon as what it waits for is new."
      />
      <ListPanel
        noun="asset"
        by="name"
        search={search}
        onSearch={(to, options) => void navigate({ search: to, ...options })}
        list={{ shown: data.assets.length, total: data.total_entries, perPage: ASSETS_PER_PAGE }}
        empty={
          <EmptyMessage icon="database" title="No DAG names an asset yet">
            <p>
              Give a task <code>outlets</code> to say what it makes, and a DAG a <code>schedule</code> of assets to run when they
              are new.
            </p>
          </EmptyMessage>
        }
      >
        <AssetTable assets={data.assets} />
      </ListPanel>
    </>
  )
}

function AssetTable({ assets }: { assets: Asset[] }) {
  return (
    <Table
      className={classes.table}
      head={
        <>
          <th>Asset</th>
          <th>Last update</th>
          <th className={classes.wide}>Made by</th>
          <th className={classes.wide}>Starts</th>
          <th className={classes.wide}>Read by</th>
        </>
      }
    >
      {assets.map((asset) => (
        <tr key={asset.id}>
          <td className={classes.name}>
            <Link {...paths.asset(asset.id)}>{asset.name}</Link>
            {asset.uri !== asset.name && <div className={classes.uri}>{asset.uri}</div>}
          </td>
          <td className={classes.when}>
            {asset.last_asset_event?.timestamp == null ? <span className={classes.none}>never</span> : <Time at={asset.last_asset_event.timestamp} as="relative" />}
          </td>
          <td className={classes.wide}>
            <DagLinks dags={asset.producing_tasks.map((task) => task.dag_id)} />
          </td>
          <td className={classes.wide}>
            <DagLinks dags={asset.scheduled_dags.map((dag) => dag.dag_id)} />
          </td>
          <td className={classes.wide}>
            <DagLinks dags={asset.consuming_tasks.map((task) => task.dag_id)} />
          </td>
        </tr>
      ))}
    </Table>
  )
}
