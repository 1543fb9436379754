import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { dagAssetsQuery } from '../../api/queries/assets'
import { paths } from '../../paths'
import { Icon } from '../../ui/Icon'
import { Panel } from '../../ui/Panel'
import { Time } from '../Time'
import classes from './Assets.module.css'

/** What a DAG waits for that is scheduled by assets: which of them are new since it last ran for them. */
export function AwaitedAssets({ dagId, zone, isPaused }: { dagId: string; zone: string; isPaused: boolean }) {
  const waits = useQuery(dagAssetsQuery(dagId)).data
  if (waits === undefined || waits.expression === null) return null
  const fresh = waits.assets.filter((asset) => asset.queued_at !== null).length
  return (
    <div className={classes.panel}>
      <Panel flush title="Waits for" aside={<span className={classes.aside}>{isPaused ? 'Paused: updates are not waited for' : `${fresh} of ${waits.assets.length} new`}</span>}>
        {waits.assets.length + waits.unresolved_aliases.length > 1 && <code className={classes.expression}>{waits.expression}</code>}
        <ul className={classes.list} aria-label="Assets that it waits for">
          {waits.assets.map((asset) => (
            <li key={asset.asset_id} className={classes.item} data-tone={asset.queued_at === null ? 'quiet' : 'good'}>
              <Icon name={asset.queued_at === null ? 'clock' : 'check'} size={14} />
              <Link {...paths.asset(asset.asset_id)} className={`${classes.link} ${classes.name}`}>
                {asset.name}
              </Link>
              {asset.uri !== asset.name && <span className={classes.uri}>{asset.uri}</span>}
              <span className={classes.state}>
                {asset.queued_at !== null ? (
                  <>
                    new, updated <Time at={asset.queued_at} zone={zone} as="relative" />
                  </>
                ) : asset.last_event_at !== null ? (
                  <>
                    last updated <Time at={asset.last_event_at} zone={zone} as="relative" />
                  </>
                ) : (
                  'never updated'
                )}
              </span>
            </li>
          ))}
          {waits.unresolved_aliases.map((alias) => (
            <li key={alias} className={classes.item} data-tone="quiet">
              <Icon name="clock" size={14} />
              <span className={classes.name}>alias {alias}</span>
              <span className={classes.state}>no task has found an asset under it yet</span>
            </li>
          ))}
        </ul>
      </Panel>
    </div>
  )
}
