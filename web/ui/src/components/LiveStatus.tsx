import { useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { followServer, type LiveState } from '../api/live'
import { Icon } from '../ui/Icon'
import classes from './LiveStatus.module.css'

/** Listens to the server for as long as the component lives. */
export function useFollowServer(): LiveState {
  const queries = useQueryClient()
  const [state, setState] = useState<LiveState>('connecting')
  useEffect(() => followServer(queries, setState), [queries])
  return state
}

/** Says that what is on the page may be old. It comes late enough not to flicker at a short break. */
export function LostStrip({ state }: { state: LiveState }) {
  if (state !== 'lost') return null
  return (
    <div role="status" className={classes.strip} data-tone="notice">
      <Icon name="spinner" spinning size={14} />
      Connection lost – reconnecting. What you see may be out of date.
    </div>
  )
}
