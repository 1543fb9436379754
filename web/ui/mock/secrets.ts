import type { components } from '../src/api/schema.gen'
import { json, problem } from './replies'

type Schemas = components['schemas']
type Connection = Schemas['ConnectionResponse']
type Variable = Schemas['VariableResponse']

const MASK = '***'

/** Names that say that what is under them is secret; a part of the server's list. */
const SENSITIVE = /password|secret|token|api_key/i

function field(name: string, label: string, kind: string, isExtra = false): Schemas['ConnectionFieldResponse'] {
  return { name, label, kind, is_extra: isExtra, choices: [], placeholder: '', help: '' }
}

const TYPES: Schemas['ConnectionTypeResponse'][] = [
  {
    conn_type: 'databricks',
    label: 'Databricks',
    can_test: true,
    fields: [field('host', 'Workspace URL', 'text'), field('token', 'Personal access token', 'secret', true)],
  },
  {
    conn_type: 'generic',
    label: 'Generic',
    can_test: false,
    fields: [field('host', 'Host', 'text'), field('login', 'Login', 'text'), field('password', 'Password', 'secret')],
  },
  {
    conn_type: 'http',
    label: 'HTTP',
    can_test: true,
    fields: [field('host', 'Base URL', 'text'), field('port', 'Port', 'number'), field('login', 'Login', 'text'), field('password', 'Password', 'secret')],
  },
  {
    conn_type: 'sqlite',
    label: 'SQLite',
    can_test: true,
    fields: [field('host', 'File', 'text')],
  },
]

function connection(id: string, type: string, more: Partial<Connection> = {}): Connection {
  return {
    connection_id: id, conn_type: type, description: null, host: null, login: null, schema: null, port: null, password: null,
    extra: null, team_name: null, ...more,
  }
}

/** Connections and variables, of which the mock keeps no secret. */
export class SecretBook {
  private connections: Connection[] = [
    connection('databricks_default', 'databricks', { host: 'https://dbc-1234.cloud.databricks.com', extra: '{"token":"***"}' }),
    connection('warehouse', 'postgres', { host: 'db.internal', port: 5432, schema: 'sales', login: 'updraft', password: MASK }),
  ]
  private variables: Variable[] = [
    { key: 'region', value: 'eu-west-1', description: 'Where the buckets are', is_encrypted: true, team_name: null },
    { key: 'slack_token', value: MASK, description: null, is_encrypted: true, team_name: null },
  ]

  types(): Response {
    return json({ connection_types: TYPES, total_entries: TYPES.length })
  }

  listConnections(url: URL): Response {
    const pattern = url.searchParams.get('connection_id_pattern')?.toLowerCase() ?? ''
    const found = this.connections
      .filter((each) => each.connection_id.toLowerCase().includes(pattern))
      .sort((a, b) => a.connection_id.localeCompare(b.connection_id))
    return json({ connections: found, total_entries: found.length })
  }

  async createConnection(request: Request): Promise<Response> {
    const body = (await request.json()) as Schemas['ConnectionBody']
    if (this.connections.some((each) => each.connection_id === body.connection_id)) {
      return problem(409, `connection \`${body.connection_id}\` exists already`)
    }
    const made = shown(connection(body.connection_id, body.conn_type), body)
    this.connections.push(made)
    return Response.json(made, { status: 201 })
  }

  async changeConnection(id: string, request: Request): Promise<Response> {
    const old = this.connections.find((each) => each.connection_id === id)
    if (old === undefined) return problem(404, `The Connection with connection_id: \`${id}\` was not found`)
    Object.assign(old, shown(old, (await request.json()) as Schemas['ConnectionBody']))
    return json(old)
  }

  deleteConnection(id: string): Response {
    this.connections = this.connections.filter((each) => each.connection_id !== id)
    return new Response(null, { status: 204 })
  }

  async testConnection(request: Request): Promise<Response> {
    const body = (await request.json()) as Schemas['ConnectionBody']
    const host = body.host ?? this.connections.find((each) => each.connection_id === body.connection_id)?.host ?? null
    const works = host !== null && !host.includes('nowhere')
    return json({ status: works, message: works ? 'it answered' : `there is no file \`${host ?? ''}\`` })
  }

  listVariables(url: URL): Response {
    const pattern = url.searchParams.get('variable_key_pattern')?.toLowerCase() ?? ''
    const found = this.variables
      .filter((each) => each.key.toLowerCase().includes(pattern))
      .sort((a, b) => a.key.localeCompare(b.key))
    return json({ variables: found, total_entries: found.length })
  }

  async createVariable(request: Request): Promise<Response> {
    const body = (await request.json()) as Schemas['VariableBody']
    if (this.variables.some((each) => each.key === body.key)) return problem(409, `The Variable with key: \`${body.key}\` already exists`)
    const made = { key: body.key, value: valueOf(body), description: body.description ?? null, is_encrypted: true, team_name: null }
    this.variables.push(made)
    return Response.json(made, { status: 201 })
  }

  async changeVariable(key: string, request: Request): Promise<Response> {
    const old = this.variables.find((each) => each.key === key)
    if (old === undefined) return problem(404, `The Variable with key: \`${key}\` was not found`)
    const body = (await request.json()) as Schemas['VariableBody']
    Object.assign(old, { value: valueOf(body), description: body.description ?? null })
    return json(old)
  }

  deleteVariable(key: string): Response {
    this.variables = this.variables.filter((each) => each.key !== key)
    return new Response(null, { status: 204 })
  }
}

/** A connection with what a body changes of it, masked as the server does. */
function shown(old: Connection, body: Schemas['ConnectionBody']): Connection {
  const extra = body.extra == null ? null : (JSON.parse(body.extra) as Record<string, unknown>)
  const masked = extra === null ? null : JSON.stringify(extra, (name, value: unknown) => (SENSITIVE.test(name) ? MASK : value))
  return {
    ...old,
    ...body,
    team_name: null,
    password: body.password === undefined ? old.password : body.password === null ? null : MASK,
    extra: body.extra === undefined ? old.extra : masked,
  }
}

function valueOf(body: Schemas['VariableBody']): string {
  if (SENSITIVE.test(body.key)) return MASK
  return typeof body.value === 'string' ? body.value : JSON.stringify(body.value)
}
