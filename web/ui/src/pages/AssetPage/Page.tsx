import { useSuspenseQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import type { Asset } from '../../api/model'
import { assetEventsQuery, assetQuery, assetQueueQuery } from '../../api/queries/assets'
import { PageHead } from '../../components/PageHead'
import { Time } from '../../components/Time'
import { paths } from '../../paths'
import { CodeBlock } from '../../ui/CodeBlock'
import { CopyText } from '../../ui/CopyText'
import { KeyFacts } from '../../ui/Facts'
import { Panel } from '../../ui/Panel'
import { AssetActions } from './AssetActions'
import classes from './AssetPage.module.css'
import { EventsPanel } from './EventsPanel'
import { Users } from './Users'

const route = getRouteApi('/signed-in/assets/$assetId')

/** One asset: who makes it, who waits for it, and its updates. */
export function AssetPage() {
  const assetId = Number(route.useParams().assetId)
  const page = route.useSearch().page ?? 1
  const navigate = route.useNavigate()
  const { data: asset } = useSuspenseQuery(assetQuery(assetId))
  const { data: events } = useSuspenseQuery(assetEventsQuery(assetId, page - 1))
  const { data: queue } = useSuspenseQuery(assetQueueQuery(assetId))
  const last = asset.last_asset_event?.timestamp ?? null
  return (
    <>
      <PageHead
        documentTitle={asset.name}
        crumbs={[
          <Link key="assets" {...paths.assets()}>
            Assets
          </Link>,
        ]}
        title={asset.name}
        actions={<AssetActions asset={asset} />}
        facts={
          <KeyFacts
            facts={[
              ['Last update', last === null ? 'Never' : <Time key="last" at={last} as="relative" />],
              ['URI', <CopyText key="uri" text={asset.uri} />],
              ['Group', asset.group !== '' && asset.group !== 'asset' && asset.group],
              ['Known since', <Time key="since" at={asset.created_at} />],
            ]}
          />
        }
      />
      <div className={classes.columns}>
        <EventsPanel events={events} page={page} onPage={(to) => void navigate({ search: { page: to > 1 ? to : undefined } })} />
        <div className={classes.column}>
          <Users asset={asset} queue={queue} />
          <Extra asset={asset} />
        </div>
      </div>
    </>
  )
}

function Extra({ asset }: { asset: Asset }) {
  if (Object.keys(asset.extra ?? {}).length === 0) return null
  return (
    <Panel title="Extra">
      <CodeBlock text={JSON.stringify(asset.extra, null, 2)} label="Extra" />
    </Panel>
  )
}
