import { act, renderHook } from '@testing-library/react'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { useLogStream } from './useLogStream'

/** A stand-in for the browser's: the test opens it and speaks through it. */
class Stream {
  static made: Stream[] = []
  onopen: (() => void) | null = null
  readonly close = vi.fn()
  private readonly listeners = new Map<string, (event: { data: string }) => void>()

  constructor() {
    Stream.made.push(this)
  }

  addEventListener(kind: string, listener: (event: { data: string }) => void) {
    this.listeners.set(kind, listener)
  }

  says(event: string) {
    this.listeners.get('line')?.({ data: JSON.stringify({ event }) })
  }
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

test('a log that nobody sees holds no connection, and its lines stay until they come anew', () => {
  Stream.made = []
  vi.stubGlobal('EventSource', Stream)
  const see = (isSeen: boolean) =>
    act(() => {
      vi.spyOn(document, 'hidden', 'get').mockReturnValue(!isSeen)
      document.dispatchEvent(new Event('visibilitychange'))
    })
  const events = () => result.current?.map((line) => line.event)
  const draw = () => act(() => void vi.advanceTimersByTime(100))
  const { result } = renderHook(() => useLogStream('/log'))
  act(() => Stream.made[0]?.onopen?.())
  expect(events()).toEqual([])
  Stream.made[0]?.says('one')
  draw()
  expect(events()).toEqual(['one'])

  see(false)
  expect(Stream.made[0]?.close).toHaveBeenCalled()
  see(true)
  expect(Stream.made).toHaveLength(2)
  act(() => Stream.made[1]?.onopen?.())
  expect(events()).toEqual(['one'])
  Stream.made[1]?.says('one')
  Stream.made[1]?.says('two')
  draw()
  expect(events()).toEqual(['one', 'two'])
})
