import { useEffect, useState } from 'react'
import type { LogLine } from '../../api/model'
import { whileSeen } from '../../lib/seen'

const GATHER_MS = 80
const RETRY_MS = 2000

/**
 * The lines of a try that runs, as they come. Null until the first answer, and while there is no URL.
 *
 * The server opens each stream with all lines so far, so that a new connection replaces what was there.
 */
export function useLogStream(url: string | null): LogLine[] | null {
  const [held, setHeld] = useState<{ url: string; lines: LogLine[] } | null>(null)

  useEffect(() => {
    if (url === null) return
    let lines: LogLine[] = []
    let source: EventSource | undefined
    let drawing: ReturnType<typeof setTimeout> | undefined
    let retry: ReturnType<typeof setTimeout> | undefined

    const draw = () => {
      drawing = undefined
      setHeld({ url, lines: [...lines] })
    }
    const soon = () => {
      drawing ??= setTimeout(draw, GATHER_MS)
    }
    const close = () => {
      clearTimeout(retry)
      source?.close()
    }
    const open = () => {
      close()
      source = new EventSource(url)
      source.onopen = () => {
        lines = []
        // Lines that somebody reads stay until those of the new connection are there.
        setHeld((before) => (before?.url === url ? before : { url, lines }))
      }
      source.addEventListener('line', (event: MessageEvent<string>) => {
        lines.push(JSON.parse(event.data) as LogLine)
        soon()
      })
      source.addEventListener('end', () => source?.close())
      source.onerror = () => {
        source?.close()
        retry = setTimeout(open, RETRY_MS)
      }
    }

    const leave = whileSeen(open, close)
    return () => {
      clearTimeout(drawing)
      leave()
    }
  }, [url])

  return held !== null && held.url === url ? held.lines : null
}
