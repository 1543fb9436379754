import type { Connection, ConnectionBody, ConnectionField, ConnectionType } from '../../api/model'

/** What stands where a secret is not shown; sent back, it leaves the secret as it is. */
export const MASK = '***'

/** What is typed into the form of a connection. */
export interface Draft {
  id: string
  type: string
  description: string
  /** By the names of fields; a secret that is kept is `***`. */
  values: Record<string, string | boolean>
  /** What `extra` held of the fields of the form: what is not touched goes back as it was, be it text, number or list. */
  kept: Record<string, unknown>
  /** What else `extra` holds, as JSON; `***` when the server could not read it. */
  more: string
}

/** The fields of a type that the server does not know. */
const ANY_FIELDS: ConnectionField[] = [
  own('host', 'Host', 'text'),
  own('login', 'Login', 'text'),
  own('password', 'Password', 'secret'),
  own('schema', 'Schema', 'text'),
  own('port', 'Port', 'number'),
]

function own(name: string, label: string, kind: string): ConnectionField {
  return { name, label, kind, is_extra: false, choices: [], placeholder: '', help: '' }
}

export function fieldsOf(types: ConnectionType[], type: string): ConnectionField[] {
  return types.find((known) => known.conn_type === type)?.fields ?? ANY_FIELDS
}

export function emptyDraft(type: string): Draft {
  return { id: '', type, description: '', values: {}, kept: {}, more: '' }
}

/** The form of a connection as it is. */
export function draftOf(connection: Connection, fields: ConnectionField[]): Draft {
  const extra = extraOf(connection)
  const values: Draft['values'] = {}
  const kept: Draft['kept'] = {}
  for (const field of fields) {
    const value = field.is_extra ? extra[field.name] : ownValue(connection, field.name)
    if (value === undefined || value === null) continue
    values[field.name] = shown(field, value)
    if (field.is_extra) {
      kept[field.name] = value
      delete extra[field.name]
    }
  }
  const rest = Object.keys(extra).length === 0 ? '' : JSON.stringify(extra, null, 2)
  const more = connection.extra === MASK ? MASK : rest
  return { id: connection.connection_id, type: connection.conn_type, description: connection.description ?? '', values, kept, more }
}

/** A value as its field shows it. */
function shown(field: ConnectionField, value: unknown): string | boolean {
  const text = textOf(value)
  return field.kind === 'flag' ? text.toLowerCase() === 'true' : text
}

function extraOf(connection: Connection): Record<string, unknown> {
  const parsed = parseObject(connection.extra ?? '')
  return parsed ?? {}
}

function ownValue(connection: Connection, name: string): string | number | null {
  const { host, login, password, schema, port } = connection
  return { host, login, password, schema, port }[name] ?? null
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

export interface Faults {
  id?: string
  port?: string
  more?: string
}

/** What keeps a form from being sent. */
export function faultsOf(draft: Draft, fields: ConnectionField[]): Faults {
  const faults: Faults = {}
  if (!/^[\w.-]+$/u.test(draft.id)) faults.id = 'Letters, digits, dots, hyphens and underscores'
  const { port } = draft.values
  if (typeof port === 'string' && port !== '' && !(Number.isInteger(Number(port)) && Number(port) >= 0 && Number(port) <= 65_535)) {
    faults.port = 'A whole number from 0 to 65535'
  }
  if (isUnread(draft)) {
    // `extra` is sent as it is or anew: with a field of it the rest, which nobody can see here, would be lost.
    const filled = fields.filter(({ name, is_extra: isExtra }) => isExtra && isFilled(draft.values[name]))
    if (filled.length > 0) {
      faults.more = `*** leaves all of it as it is: empty ${filled.map((field) => field.label).join(', ')} above, or write here what else it holds`
    }
  } else if (draft.more.trim() !== '' && parseObject(draft.more) === undefined) {
    faults.more = 'A JSON object, such as {"key": "value"}'
  }
  return faults
}

function isFilled(value: string | boolean | undefined): boolean {
  return value !== undefined && value !== '' && value !== false
}

/** Whether `extra` is to stay as it is, whatever it is. */
function isUnread(draft: Draft): boolean {
  return draft.more.trim() === MASK
}

/**
 * What is sent. Fields that the form does not show are not in it, and so stay as they are; a secret that was not touched goes
 * back as `***`.
 */
export function bodyOf(draft: Draft, fields: ConnectionField[]): ConnectionBody {
  const body: ConnectionBody = { connection_id: draft.id, conn_type: draft.type, description: draft.description || null }
  const extra: Record<string, unknown> = {}
  for (const field of fields) {
    const { name, kind, is_extra: isExtra } = field
    const value = draft.values[name] ?? ''
    if (isExtra) {
      if (name in draft.kept && shown(field, draft.kept[name]) === value) extra[name] = draft.kept[name]
      else if (isFilled(value)) extra[name] = value
    } else if (name === 'port') {
      body.port = value === '' ? null : Number(value)
    } else if (name === 'host' || name === 'login' || name === 'password' || name === 'schema') {
      body[name] = value === '' || typeof value === 'boolean' ? null : kind === 'secret' ? value : value.trim()
    }
  }
  Object.assign(extra, parseObject(draft.more))
  body.extra = Object.keys(extra).length > 0 ? JSON.stringify(extra) : isUnread(draft) ? MASK : null
  return body
}
