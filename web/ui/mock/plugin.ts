import { Readable } from 'node:stream'
import type { ReadableStream as NodeReadableStream } from 'node:stream/web'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Connect, Plugin } from 'vite'
import { Db } from './db'
import { handle } from './handlers'

/** Lets Vite's own servers answer API requests from the mock. */
export function mockApi(): Plugin {
  const db = new Db(Number(process.env.MOCK_SPEED ?? 1))
  const middleware: Connect.NextHandleFunction = (incoming, outgoing, next) => {
    answer(db, incoming, outgoing).then((answered) => {
      if (!answered) next()
    }, next)
  }
  return {
    name: 'updraft-mock-api',
    configureServer: (server) => void server.middlewares.use(middleware),
    configurePreviewServer: (server) => void server.middlewares.use(middleware),
  }
}

async function answer(db: Db, incoming: IncomingMessage, outgoing: ServerResponse): Promise<boolean> {
  const gone = new AbortController()
  outgoing.on('close', () => gone.abort())
  const hasBody = incoming.method !== 'GET' && incoming.method !== 'HEAD'
  const request = new Request(`http://mock${incoming.url}`, {
    method: incoming.method,
    headers: Object.entries(incoming.headers).flatMap(([name, value]): [string, string][] =>
      typeof value === 'string' ? [[name, value]] : [],
    ),
    body: hasBody ? (Readable.toWeb(incoming) as ReadableStream) : undefined,
    signal: gone.signal,
    ...(hasBody ? { duplex: 'half' } : {}),
  })
  const response = await handle(db, request)
  if (response === null) return false
  outgoing.writeHead(response.status, Object.fromEntries(response.headers))
  if (response.body === null) outgoing.end()
  else Readable.fromWeb(response.body as NodeReadableStream).on('error', () => outgoing.end()).pipe(outgoing)
  return true
}
