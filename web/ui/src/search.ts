import type { CallbackState, RunState, RunType } from './api/model'

type Raw = Record<string, unknown>

/** What search parameters of each page mean. A value that makes no sense is dropped, not an error. */
export interface DagsSearch {
  q?: string
  tags?: string[]
  paused?: boolean
  state?: RunState
  /** Only the user's favourites. */
  favorite?: true
  /** From one, as people count. */
  page?: number
}

export function dagsSearch(raw: Raw): DagsSearch {
  const tags = Array.isArray(raw.tags) ? raw.tags.map(String) : []
  return {
    q: text(raw.q),
    tags: tags.length > 0 ? tags : undefined,
    paused: typeof raw.paused === 'boolean' ? raw.paused : undefined,
    favorite: raw.favorite === true ? true : undefined,
    state: runState(raw.state),
    page: pageNumber(raw.page),
  }
}

export interface ListSearch {
  q?: string
  /** From one. */
  page?: number
}

/** Of the lists of assets, of connections and of variables. */
export function listSearch(raw: Raw): ListSearch {
  return { q: text(raw.q), page: pageNumber(raw.page) }
}

export interface AssetSearch {
  /** Of its events, from one. */
  page?: number
}

export function assetSearch(raw: Raw): AssetSearch {
  return { page: pageNumber(raw.page) }
}

export interface BackfillsSearch {
  /** From one. */
  page?: number
}

export function backfillsSearch(raw: Raw): BackfillsSearch {
  return { page: pageNumber(raw.page) }
}

export const CALLBACK_STATES = ['waiting', 'delivered', 'failed'] as const

export interface CallbacksSearch {
  /** Those in any state when absent. */
  state?: CallbackState
  /** From one. */
  page?: number
}

export function callbacksSearch(raw: Raw): CallbacksSearch {
  return { state: oneOf(CALLBACK_STATES, raw.state), page: pageNumber(raw.page) }
}

export const DAG_TABS = ['graph', 'grid', 'runs', 'backfills', 'details', 'source'] as const
export type DagTab = (typeof DAG_TABS)[number]

export interface DagSearch {
  tab?: DagTab
  state?: RunState
  /** Which runs are listed; all when absent. */
  type?: RunType
  page?: number
  /** How many runs the grid shows. */
  runs?: number
}

export function dagSearch(raw: Raw): DagSearch {
  return {
    tab: oneOf(DAG_TABS, raw.tab),
    state: runState(raw.state),
    type: oneOf(RUN_TYPES, raw.type),
    page: pageNumber(raw.page),
    runs: wholeNumber(raw.runs, 1),
  }
}

export const RUN_TABS = ['graph', 'gantt'] as const
export type RunTab = (typeof RUN_TABS)[number]

export interface RunSearch {
  tab?: RunTab
}

export function runSearch(raw: Raw): RunSearch {
  return { tab: oneOf(RUN_TABS, raw.tab) }
}

export const TASK_TABS = ['log', 'result', 'details'] as const
export type TaskTab = (typeof TASK_TABS)[number]

export interface TaskSearch {
  tab?: TaskTab
  /** The attempt, from one; the last when absent. */
  try?: number
  /** Which instance of a mapped task, from zero; the list of them when absent. */
  map?: number
}

export function taskSearch(raw: Raw): TaskSearch {
  return { tab: oneOf(TASK_TABS, raw.tab), try: wholeNumber(raw.try, 1), map: wholeNumber(raw.map, 0) }
}

export interface LoginSearch {
  /** Where to go once signed in: a path of this app, never another site. */
  to?: string
}

export function loginSearch(raw: Raw): LoginSearch {
  const to = text(raw.to)
  return { to: to !== undefined && /^\/(?![/\\])/.test(to) ? to : undefined }
}

const RUN_STATES: Record<RunState, true> = { queued: true, running: true, success: true, failed: true }

const RUN_TYPES: RunType[] = ['scheduled', 'manual', 'backfill', 'operator_triggered', 'asset_triggered', 'asset_materialization']

function runState(value: unknown): RunState | undefined {
  return typeof value === 'string' && Object.hasOwn(RUN_STATES, value) ? (value as RunState) : undefined
}

function text(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value)
  return typeof value === 'string' && value !== '' ? value : undefined
}

function pageNumber(value: unknown): number | undefined {
  return wholeNumber(value, 2)
}

function wholeNumber(value: unknown, least: number): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= least ? value : undefined
}

function oneOf<T extends string>(choices: readonly T[], value: unknown): T | undefined {
  return choices.find((each) => each === value)
}
