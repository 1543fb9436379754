import { Link } from '@tanstack/react-router'
import type { AssetEvent } from '../../api/model'
import { EVENTS_PER_PAGE } from '../../api/queries/assets'
import { EventSource } from '../../components/assets/EventSource'
import { Time } from '../../components/Time'
import { cellText } from '../../lib/csv'
import { plural } from '../../lib/numbers'
import { paths } from '../../paths'
import { EmptyMessage } from '../../ui/EmptyMessage'
import { Pages } from '../../ui/Pages'
import { Panel } from '../../ui/Panel'
import { Table } from '../../ui/Table'
import classes from './AssetPage.module.css'

interface Props {
  events: { asset_events: AssetEvent[]; total_entries: number }
  /** From one. */
  page: number
  onPage: (page: number) => void
}

/** The updates of an asset, latest first, with the runs that were made for each. */
export function EventsPanel({ events, page, onPage }: Props) {
  const pages = Math.ceil(events.total_entries / EVENTS_PER_PAGE)
  return (
    <Panel flush title={plural(events.total_entries, 'update')}>
      {events.asset_events.length === 0 ? (
        <EmptyMessage icon="database" title="Never updated">
          <p>An update is listed here when a task that makes it succeeds, or when one is recorded by hand or by the REST API.</p>
        </EmptyMessage>
      ) : (
        <Table
          className={classes.table}
          head={
            <>
              <th>Updated</th>
              <th>By</th>
              <th>Started</th>
            </>
          }
        >
          {events.asset_events.map((event) => (
            <tr key={event.id}>
              <td className={classes.when}>
                <Time at={event.timestamp} seconds />
              </td>
              <td>
                <EventSource event={event} />
                <ExtraOf event={event} />
              </td>
              <td>
                {event.created_dagruns.length === 0 ? <span className={classes.quiet}>–</span> : event.created_dagruns.map((run) => (
                  <div key={`${run.dag_id} ${run.run_id}`}>
                    <Link {...paths.run(run.dag_id, run.run_id)}>{run.dag_id}</Link>
                  </div>
                ))}
              </td>
            </tr>
          ))}
        </Table>
      )}
      <Pages total={pages} page={page} onChange={onPage} />
    </Panel>
  )
}

/** What was said along with an update. */
function ExtraOf({ event }: { event: AssetEvent }) {
  const entries = Object.entries(event.extra ?? {}).filter(([key]) => key !== 'from_rest_api')
  if (entries.length === 0) return null
  return <div className={classes.extra}>{entries.map(([key, value]) => `${key}: ${cellText(value)}`).join(', ')}</div>
}
