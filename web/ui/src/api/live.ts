import type { Query, QueryClient, QueryKey } from '@tanstack/react-query'
import { whileSeen } from '../lib/seen'
import { streams } from '../paths'
import { keys } from './keys'

/** What the server says has changed. It never carries the data: that is asked for anew. */
export interface Hint {
  kind: 'dag' | 'dag_run' | 'task_instance' | 'import_error' | 'asset' | 'hitl_detail' | 'callback' | 'resync'
  dag_id?: string | null
  dag_run_id?: string | null
  task_id?: string | null
}

/** The queries that a hint makes stale; an empty key stands for all of them. */
export function staleKeys(hint: Hint): QueryKey[] {
  const { dag_id: dag, dag_run_id: run, task_id: task } = hint
  switch (hint.kind) {
    case 'dag':
      return dag ? [keys.dagList, keys.dag(dag)] : [keys.dagList]
    case 'dag_run':
      // The reasons that its tasks wait for depend on the state of the run, so these are stale too.
      return dag && run ? [keys.dagList, keys.dagRuns(dag), keys.run(dag, run)] : [keys.dagList]
    case 'task_instance':
      return dag && run ? [keys.dagGrid(dag), keys.runTasks(dag, run), ...(task ? [keys.task(dag, run, task)] : [])] : []
    case 'import_error':
      return [keys.importErrors, keys.dagList]
    case 'asset':
      return [keys.assets]
    case 'hitl_detail':
      return dag && run && task ? [keys.hitlDetails, keys.task(dag, run, task)] : [keys.hitlDetails]
    case 'callback':
      return [keys.callbacks]
    case 'resync':
      return [[]]
  }
}

export type LiveState = 'connecting' | 'live' | 'lost'

/** The way to the server's events. */
export interface Live {
  /**
   * Opens the stream, unless it is open. Settles when the server answers: what is asked for afterwards cannot miss a
   * change. It does not wait for long: a page without the stream is better than none.
   */
  start: () => Promise<void>
  stop: () => void
  state: () => LiveState
  subscribe: (listener: () => void) => () => void
}

const GATHER_MS = 100
const LONGEST_FLUSH_MS = 2000
const LONGEST_START_MS = 600
const FIRST_RETRY_MS = 1000
const LONGEST_RETRY_MS = 10_000

/**
 * Keeps the cache in step with the server: gathers the hints of the event stream for a moment, and invalidates what
 * they name.
 *
 * The browser's own reconnection is not enough: it gives up for good on an HTTP error, such as a proxy's 502.
 */
export function makeLive(queries: QueryClient): Live {
  const stale = gather((batch) => invalidate(queries, batch))
  const listeners = new Set<() => void>()
  let state: LiveState = 'connecting'
  let source: EventSource | undefined
  let retry: ReturnType<typeof setTimeout> | undefined
  let wait = FIRST_RETRY_MS
  let begun: Promise<void> | undefined
  let leave: (() => void) | undefined
  // Answers may be older than the stream: it was lost or let go, or it came after the pages had stopped waiting for it.
  let mayHaveMissed = false

  const become = (next: LiveState) => {
    state = next
    for (const listener of listeners) listener()
  }

  const close = () => {
    clearTimeout(retry)
    source?.close()
    mayHaveMissed = true
  }
  const open = (answered?: () => void) => {
    clearTimeout(retry)
    source?.close()
    source = new EventSource(streams.events())
    source.onopen = () => {
      wait = FIRST_RETRY_MS
      become('live')
      if (mayHaveMissed) stale.add([[]])
      mayHaveMissed = false
      answered?.()
    }
    source.onmessage = (event: MessageEvent<string>) => {
      const hint = parseHint(event.data)
      if (hint !== undefined) stale.add(staleKeys(hint))
    }
    source.onerror = () => {
      source?.close()
      mayHaveMissed = true
      become('lost')
      answered?.()
      retry = setTimeout(() => open(), wait)
      wait = Math.min(wait * 2, LONGEST_RETRY_MS)
    }
  }

  return {
    start: () => {
      begun ??= new Promise((resolve) => {
        const late = setTimeout(() => {
          mayHaveMissed = true
          resolve()
        }, LONGEST_START_MS)
        const answered = () => {
          clearTimeout(late)
          resolve()
        }
        leave = whileSeen(() => open(answered), close)
        if (source === undefined) {
          // Nobody sees the page yet.
          mayHaveMissed = true
          answered()
        }
      })
      return begun
    },
    stop: () => {
      leave?.()
      stale.clear()
      source = undefined
      begun = undefined
      mayHaveMissed = false
      become('connecting')
    },
    state: () => state,
    subscribe: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

function parseHint(text: string): Hint | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && 'kind' in value ? (value as Hint) : undefined
  } catch {
    return undefined
  }
}

/**
 * Asks anew for what is shown of it. A request that is under way may be answered with what was before the change, and is not
 * cut off for it: of a run with thousands of tasks that change all the time no answer would ever arrive. It is asked once more
 * when it is answered.
 */
async function invalidate(queries: QueryClient, batch: QueryKey[]): Promise<void> {
  for (const query of underWay(queries, batch)) void askAgain(queries, query)
  const all = Promise.all(batch.map((queryKey) => queries.invalidateQueries({ queryKey }, JOINS)))
  await Promise.race([all, new Promise((resolve) => setTimeout(resolve, LONGEST_FLUSH_MS))])
}

/** An invalidation that leaves requests under way alone. */
const JOINS = { cancelRefetch: false }

function underWay(queries: QueryClient, batch: QueryKey[]): Set<Query> {
  return new Set(batch.flatMap((queryKey) => queries.getQueryCache().findAll({ queryKey, fetchStatus: 'fetching' })))
}

async function askAgain(queries: QueryClient, query: Query): Promise<void> {
  await query.promise?.catch(() => undefined)
  await queries.invalidateQueries({ queryKey: query.queryKey, exact: true }, JOINS)
}

/**
 * Collects keys for [`GATHER_MS`] and hands them on together, one batch after the other: what a page shows is asked for as
 * fast as the server answers, and no faster.
 */
export function gather(flush: (batch: QueryKey[]) => Promise<void>): { add: (more: QueryKey[]) => void; clear: () => void } {
  const waiting = new Map<string, QueryKey>()
  let timer: ReturnType<typeof setTimeout> | undefined
  let busy = false

  const run = async () => {
    timer = undefined
    if (busy || waiting.size === 0) return
    const batch = [...waiting.values()]
    waiting.clear()
    busy = true
    await flush(batch)
    busy = false
    arm()
  }
  const arm = () => {
    if (timer === undefined && waiting.size > 0) timer = setTimeout(() => void run(), GATHER_MS)
  }

  return {
    add: (more) => {
      for (const key of more) waiting.set(JSON.stringify(key), key)
      if (!busy) arm()
    },
    clear: () => {
      clearTimeout(timer)
      timer = undefined
      waiting.clear()
    },
  }
}
