import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { DagRun } from '../../api/model'
import { upstreamEventsQuery } from '../../api/queries/assets'
import { paths } from '../../paths'
import { Icon } from '../../ui/Icon'
import { Panel } from '../../ui/Panel'
import { Time } from '../Time'
import classes from './Assets.module.css'
import { EventSource } from './EventSource'

/** The updates of assets that a run was made for. */
export function MadeFor({ run, zone }: { run: DagRun; zone: string }) {
  const events = useQuery(upstreamEventsQuery(run.dag_id, run.dag_run_id)).data ?? []
  if (events.length === 0) return null
  return (
    <div className={classes.panel}>
      <Panel flush title="Made for">
        <ul className={classes.list} aria-label="Updates that it was made for">
          {events.map((event) => (
            <li key={event.id} className={classes.item} data-tone="good">
              <Icon name="database" size={14} />
              <Link {...paths.asset(event.asset_id)} className={`${classes.link} ${classes.name}`}>
                {event.name}
              </Link>
              <EventSource event={event} prefix="by " />
              <span className={classes.state}>
                <Time at={event.timestamp} zone={zone} seconds />
              </span>
            </li>
          ))}
        </ul>
      </Panel>
    </div>
  )
}
