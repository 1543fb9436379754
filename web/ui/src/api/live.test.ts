import { QueryClient, type QueryKey, QueryObserver } from '@tanstack/react-query'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { gather, makeLive, staleKeys, type Live } from './live'

test.each([
  [{ kind: 'dag', dag_id: 'hello' }, [['dags'], ['dag', 'hello']]],
  [{ kind: 'dag_run', dag_id: 'hello', dag_run_id: 'r1' }, [['dags'], ['dag', 'hello', 'runs'], ['run', 'hello', 'r1']]],
  [
    { kind: 'task_instance', dag_id: 'hello', dag_run_id: 'r1', task_id: 'say' },
    [['dag', 'hello', 'runs', 'grid'], ['run', 'hello', 'r1', 'tasks'], ['run', 'hello', 'r1', 'task', 'say']],
  ],
  [{ kind: 'import_error' }, [['import-errors'], ['dags']]],
  [{ kind: 'asset' }, [['assets']]],
  [{ kind: 'hitl_detail' }, [['hitl-details']]],
  [
    { kind: 'hitl_detail', dag_id: 'hello', dag_run_id: 'r1', task_id: 'say' },
    [['hitl-details'], ['run', 'hello', 'r1', 'task', 'say']],
  ],
  [{ kind: 'resync' }, [[]]],
] as const)('a hint names what is stale: %j', (hint, stale) => {
  expect(staleKeys(hint)).toEqual(stale)
})

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  for (const live of made.splice(0)) live.stop()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

const made: Live[] = []

/** One that ends with its test. */
function liveOf(queries: QueryClient): Live {
  const live = makeLive(queries)
  made.push(live)
  return live
}

test('hints are gathered, each key once', async () => {
  const batches: QueryKey[][] = []
  const stale = gather((batch) => {
    batches.push(batch)
    return Promise.resolve()
  })

  stale.add([['dags'], ['run', 'a']])
  stale.add([['dags']])
  await vi.runAllTimersAsync()

  expect(batches).toEqual([[['dags'], ['run', 'a']]])
})

test('a batch waits for the one before it, and none is lost', async () => {
  const batches: QueryKey[][] = []
  let finish: (() => void) | undefined
  const stale = gather((batch) => {
    batches.push(batch)
    return new Promise((resolve) => {
      finish = resolve
    })
  })

  stale.add([['first']])
  await vi.runAllTimersAsync()
  stale.add([['second']])
  await vi.runAllTimersAsync()
  expect(batches).toEqual([[['first']]])

  finish?.()
  await vi.runAllTimersAsync()
  expect(batches).toEqual([[['first']], [['second']]])
})

/** A stand-in for the browser's: the test opens it, breaks it and speaks through it. */
class Stream {
  static made: Stream[] = []
  onopen: (() => void) | null = null
  onerror: (() => void) | null = null
  onmessage: ((event: { data: string }) => void) | null = null
  readonly close = vi.fn()

  constructor() {
    Stream.made.push(this)
  }
}

function follow() {
  Stream.made = []
  vi.stubGlobal('EventSource', Stream)
  const queries = new QueryClient()
  const invalidate = vi.spyOn(queries, 'invalidateQueries').mockResolvedValue()
  const stale = () => invalidate.mock.calls.map(([filters]) => filters?.queryKey)
  return { live: liveOf(queries), stale }
}

test('pages wait for the stream, and then follow its hints', async () => {
  const { live, stale } = follow()
  const started = vi.fn()
  void live.start().then(started)
  await vi.advanceTimersByTimeAsync(100)
  expect(started).not.toHaveBeenCalled()

  Stream.made[0]?.onopen?.()
  await vi.advanceTimersByTimeAsync(0)
  expect(started).toHaveBeenCalled()
  expect(live.state()).toBe('live')

  Stream.made[0]?.onmessage?.({ data: '{"kind":"import_error"}' })
  Stream.made[0]?.onmessage?.({ data: 'no JSON' })
  await vi.advanceTimersByTimeAsync(200)
  expect(stale()).toEqual([['import-errors'], ['dags']])
})

test('a lost stream is opened again, and then everything is stale', async () => {
  const { live, stale } = follow()
  void live.start()
  Stream.made[0]?.onopen?.()

  Stream.made[0]?.onerror?.()
  expect(live.state()).toBe('lost')
  await vi.advanceTimersByTimeAsync(1000)
  expect(Stream.made).toHaveLength(2)

  Stream.made[1]?.onopen?.()
  await vi.advanceTimersByTimeAsync(200)
  expect(live.state()).toBe('live')
  expect(stale()).toEqual([[]])
})

test('a stream that comes late makes stale what was loaded without it', async () => {
  const { live, stale } = follow()
  const started = vi.fn()
  void live.start().then(started)
  await vi.advanceTimersByTimeAsync(2000)
  expect(started).toHaveBeenCalled()

  Stream.made[0]?.onopen?.()
  await vi.advanceTimersByTimeAsync(200)
  expect(stale()).toEqual([[]])
})

function see(isSeen: boolean) {
  vi.spyOn(document, 'hidden', 'get').mockReturnValue(!isSeen)
  document.dispatchEvent(new Event('visibilitychange'))
}

test('a page that nobody sees holds no connection, and asks for everything when it is seen again', async () => {
  const { live, stale } = follow()
  void live.start()
  Stream.made[0]?.onopen?.()

  see(false)
  expect(Stream.made[0]?.close).toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(Stream.made).toHaveLength(1)

  see(true)
  expect(Stream.made).toHaveLength(2)
  Stream.made[1]?.onopen?.()
  await vi.advanceTimersByTimeAsync(200)
  expect(stale()).toEqual([[]])
})

test('a page that is opened behind another is there at once, and follows when it is seen', async () => {
  see(false)
  const { live } = follow()
  const started = vi.fn()
  void live.start().then(started)
  await vi.advanceTimersByTimeAsync(0)
  expect(started).toHaveBeenCalled()
  expect(Stream.made).toHaveLength(0)

  see(true)
  expect(Stream.made).toHaveLength(1)
})

test('after stop nothing is opened again', async () => {
  const { live } = follow()
  void live.start()
  Stream.made[0]?.onerror?.()

  live.stop()
  await vi.advanceTimersByTimeAsync(60_000)

  expect(Stream.made).toHaveLength(1)
  expect(live.state()).toBe('connecting')
})

test('a change while the first answer is under way is not lost', async () => {
  Stream.made = []
  vi.stubGlobal('EventSource', Stream)
  const queries = new QueryClient()
  void liveOf(queries).start()
  const answers: ((state: string) => void)[] = []
  const queryFn = () => new Promise<string>((resolve) => void answers.push(resolve))
  const run = new QueryObserver(queries, { queryKey: ['run', 'hello', 'r1'], queryFn })
  const leave = run.subscribe(() => undefined)
  await vi.advanceTimersByTimeAsync(0)

  Stream.made[0]?.onmessage?.({ data: '{"kind":"dag_run","dag_id":"hello","dag_run_id":"r1"}' })
  await vi.advanceTimersByTimeAsync(200)
  answers[0]?.('running')
  await vi.advanceTimersByTimeAsync(200)
  answers[1]?.('success')
  await vi.advanceTimersByTimeAsync(200)

  expect(run.getCurrentResult().data).toBe('success')
  leave()
})

test('hints that never cease let an answer arrive that takes long', async () => {
  Stream.made = []
  vi.stubGlobal('EventSource', Stream)
  const queries = new QueryClient()
  void liveOf(queries).start()
  const answers: ((tasks: number) => void)[] = []
  const queryFn = () => new Promise<number>((resolve) => void answers.push(resolve))
  const tasks = new QueryObserver(queries, { queryKey: ['run', 'hello', 'r1', 'tasks'], queryFn, initialData: 0 })
  const leave = tasks.subscribe(() => undefined)

  for (let hint = 0; hint < 100; hint += 1) {
    Stream.made[0]?.onmessage?.({ data: '{"kind":"task_instance","dag_id":"hello","dag_run_id":"r1"}' })
    await vi.advanceTimersByTimeAsync(100)
  }
  expect(answers, 'one request at a time').toHaveLength(1)
  answers[0]?.(7)
  await vi.advanceTimersByTimeAsync(200)

  expect(tasks.getCurrentResult().data).toBe(7)
  expect(answers, 'what changed meanwhile is asked for').toHaveLength(2)
  leave()
})
