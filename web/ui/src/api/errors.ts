/** A refusal of the server, or no answer at all (status 0). The message is for a person to read. */
export class ApiError extends Error {
  override readonly name = 'ApiError'

  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message)
  }
}

/** What the server says, with 403 as Airflow does, of a token that it did not make or that was taken back. */
const FOREIGN_TOKEN = 'Invalid JWT token'

/**
 * True when only signing in helps: the session is over, or the cookie is not of this server. Cookies know no ports, so that
 * another Updraft on this host, or Airflow, puts its own in the place of ours.
 */
export function isSignedOut(error: unknown): boolean {
  if (!(error instanceof ApiError)) return false
  return error.status === 401 || (error.status === 403 && error.message === FOREIGN_TOKEN)
}

/** True for answers that asking again cannot change. */
export function isFinal(error: unknown): boolean {
  return error instanceof ApiError && error.status >= 400 && error.status < 500
}

/** What to tell a person about any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/**
 * The sentence in an error answer. `detail` is a text, an object with a message, or the list that a failed validation
 * gives, whose items name the field.
 */
export function detailText(body: unknown, response: { status: number; statusText: string }): string {
  const detail = isRecord(body) ? body.detail : undefined
  if (typeof detail === 'string' && detail !== '') return detail
  if (Array.isArray(detail)) {
    const lines = detail.filter(isRecord).map((item) => {
      const place = Array.isArray(item.loc) ? item.loc.filter((each) => each !== 'body').join('.') : ''
      const text = typeof item.msg === 'string' ? item.msg : 'is not valid'
      return place === '' ? text : `${place}: ${text}`
    })
    if (lines.length > 0) return lines.join('\n')
  }
  if (isRecord(detail)) {
    const text = detail.reason ?? detail.message
    if (typeof text === 'string') return text
  }
  return `The server answered ${response.status} ${response.statusText}`.trimEnd()
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
