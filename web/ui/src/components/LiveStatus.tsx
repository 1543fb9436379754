import { useSyncExternalStore } from 'react'
import type { Live } from '../api/live'
import { Icon } from '../ui/Icon'
import classes from './LiveStatus.module.css'

/** Says that what is on the page may be old. It comes late enough not to flicker at a short break. */
export function LostStrip({ live }: { live: Live }) {
  const state = useSyncExternalStore(live.subscribe, live.state)
  if (state !== 'lost') return null
  return (
    <div role="status" className={classes.strip} data-tone="notice">
      <Icon name="spinner" spinning size={14} />
      Connection lost – reconnecting. What you see may be out of date.
    </div>
  )
}
