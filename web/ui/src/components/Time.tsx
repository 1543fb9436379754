import { Tooltip } from '@mantine/core'
import { formatDateTime, formatRelative, localZone } from '../lib/dates'
import { useNow } from '../lib/useNow'
import classes from './Time.module.css'

interface Props {
  /** ISO 8601. */
  at: string
  /** The DAG's time zone, which the hover then shows beside the reader's own and UTC. */
  zone?: string | null
  /** `relative`: "3 h ago"; `exact`: date and time in the reader's zone; `zoned`: the same in the DAG's zone. */
  as?: 'relative' | 'exact' | 'zoned'
  seconds?: boolean
}

/** An instant, with every zone that matters on hover. */
export function Time({ at, zone, as = 'exact', seconds = false }: Props) {
  const lines = zones(zone).map(([label, name]) => (
    <span key={label} className={classes.line}>
      <span>{label}</span>
      <span>{formatDateTime(at, { zone: name, seconds: true, showZone: true })}</span>
    </span>
  ))
  return (
    <Tooltip label={<span className={classes.zones}>{lines}</span>}>
      <time dateTime={at} className={classes.time}>
        {as === 'relative' ? (
          <Relative at={at} />
        ) : as === 'zoned' ? (
          formatDateTime(at, { zone: zone ?? 'UTC', seconds, showZone: true })
        ) : (
          formatDateTime(at, { seconds })
        )}
      </time>
    </Tooltip>
  )
}

function Relative({ at }: { at: string }) {
  return formatRelative(at, useNow())
}

function zones(dagZone: string | null | undefined): [label: string, name: string][] {
  const local = localZone()
  const rows: [string, string][] = [['Yours', local]]
  if (dagZone && dagZone !== local && dagZone !== 'UTC') rows.unshift([dagZone, dagZone])
  if (local !== 'UTC') rows.push(['UTC', 'UTC'])
  return rows
}
