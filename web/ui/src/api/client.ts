import createClient from 'openapi-fetch'
import { ApiError, detailText } from './errors'
import type { paths } from './schema.gen'

/** The API, typed by our OpenAPI document. Same origin: the session cookie goes along by itself. */
export const client = createClient<paths>({
  baseUrl: window.location.origin,
  // Looked up per call, so that a test may put another `fetch` in place.
  fetch: (request) => globalThis.fetch(request),
})

interface Reply<T> {
  data?: T
  error?: unknown
  response: Response
}

/** An answer that the API also knows as plain text, of which we asked for the JSON. */
export async function jsonAnswer<T>(call: Promise<Reply<T>>): Promise<Exclude<T, string>> {
  const body = await answer(call)
  if (typeof body === 'string') throw new ApiError(0, 'The server answered with text instead of JSON')
  return body as Exclude<T, string>
}

/** The body of a good answer; an [`ApiError`] with the server's own words for any other. */
export async function answer<T>(call: Promise<Reply<T>>): Promise<T> {
  let reply: Reply<T>
  try {
    reply = await call
  } catch {
    throw new ApiError(0, 'The server cannot be reached')
  }
  const { data, error, response } = reply
  if (!response.ok) throw new ApiError(response.status, detailText(error, response))
  return data as T
}
