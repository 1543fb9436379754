/** The part of JSON Schema that a form can show and check. The server checks all of it once more. */
interface ParamSchema {
  type?: string | string[]
  title?: string
  description?: string
  enum?: unknown[]
  values_display?: Record<string, string>
  const?: unknown
  examples?: unknown[]
  minimum?: number
  maximum?: number
  exclusiveMinimum?: number
  exclusiveMaximum?: number
  multipleOf?: number
  minLength?: number
  maxLength?: number
  minItems?: number
  maxItems?: number
  pattern?: string
  format?: string
}

export type ParamKind = 'boolean' | 'choice' | 'const' | 'integer' | 'number' | 'text' | 'long text' | 'date' | 'json'

export interface Param {
  name: string
  title: string
  description: string | null
  kind: ParamKind
  /** Null is a good value. */
  nullable: boolean
  /** The default; undefined when the DAG gives none. */
  value: unknown
  schema: ParamSchema
}

/** What a field holds while it is edited: its text, or whether the switch is on. */
export type Draft = string | boolean

/** Params as the API describes them: `{name: {value, description, schema}}`. */
export function readParams(params: Record<string, unknown> | null | undefined): Param[] {
  return Object.entries(params ?? {}).map(([name, given]) => {
    const entry = isRecord(given) ? given : { value: given }
    const schema: ParamSchema = isRecord(entry.schema) ? entry.schema : {}
    const types = schemaTypes(schema, entry.value)
    return {
      name,
      title: schema.title ?? name,
      description: text(entry.description) ?? schema.description ?? null,
      kind: kindOf(schema, types),
      nullable: schema.enum === undefined ? types.includes('null') : schema.enum.includes(null),
      value: entry.value,
      schema,
    }
  })
}

function schemaTypes(schema: ParamSchema, value: unknown): string[] {
  if (typeof schema.type === 'string') return [schema.type]
  if (Array.isArray(schema.type)) return schema.type
  // Without a type, any value is good; the default tells what is meant.
  if (typeof value === 'boolean') return ['boolean', 'null']
  if (typeof value === 'number') return [Number.isInteger(value) ? 'integer' : 'number', 'null']
  if (typeof value === 'string') return ['string', 'null']
  return value === null || value === undefined ? ['string', 'null'] : ['object', 'null']
}

function kindOf(schema: ParamSchema, types: string[]): ParamKind {
  if (schema.const !== undefined) return 'const'
  if (schema.enum !== undefined) return 'choice'
  const named = types.filter((type) => type !== 'null')
  if (named.length !== 1) return 'json'
  switch (named[0]) {
    case 'boolean':
      return 'boolean'
    case 'integer':
      return 'integer'
    case 'number':
      return 'number'
    case 'string':
      return schema.format === 'date' ? 'date' : schema.format === 'multiline' ? 'long text' : 'text'
    default:
      return 'json'
  }
}

/** The choices of a param with an `enum`; the key is what the field holds. */
export function choicesOf(param: Param): { value: string; label: string }[] {
  return (param.schema.enum ?? []).map((value) => {
    const shown = typeof value === 'string' ? value : JSON.stringify(value)
    return { value: JSON.stringify(value), label: param.schema.values_display?.[shown] ?? shown }
  })
}

/** What the field shows for a value. */
export function draftOf(param: Param, value: unknown): Draft {
  switch (param.kind) {
    case 'boolean':
      return value === true
    case 'choice':
      return value === undefined ? '' : JSON.stringify(value)
    case 'const':
    case 'json':
      return value === undefined || value === null ? '' : JSON.stringify(value, null, 2)
    default:
      return value === undefined || value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value)
  }
}

export type Reading = { value: unknown; problem?: undefined } | { problem: string }

/** The value that a field stands for, or what is wrong with it. */
export function readDraft(param: Param, draft: Draft): Reading {
  if (param.kind === 'const') return { value: param.schema.const }
  if (param.kind === 'boolean') return { value: draft === true }
  const typed = String(draft)
  if (typed.trim() === '') return readEmpty(param)
  switch (param.kind) {
    case 'choice':
      return { value: JSON.parse(typed) as unknown }
    case 'integer':
    case 'number':
      return readNumber(param, typed)
    case 'json':
      return readJson(param, typed)
    default:
      return readText(param.schema, typed)
  }
}

function readEmpty(param: Param): Reading {
  if (param.nullable) return { value: null }
  // An empty text is a text, if the DAG's own default is one or nothing speaks against it.
  const isText = param.kind === 'text' || param.kind === 'long text'
  if (isText && param.value !== undefined && param.value !== null) return readText(param.schema, '')
  return { problem: 'A value is needed' }
}

function readNumber(param: Param, typed: string): Reading {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = param.schema
  const value = Number(typed)
  if (!Number.isFinite(value)) return { problem: 'This is not a number' }
  if (param.kind === 'integer' && !Number.isInteger(value)) return { problem: 'This must be a whole number' }
  if (minimum !== undefined && value < minimum) return { problem: `This must be at least ${minimum}` }
  if (maximum !== undefined && value > maximum) return { problem: `This must be at most ${maximum}` }
  if (exclusiveMinimum !== undefined && value <= exclusiveMinimum) return { problem: `This must be more than ${exclusiveMinimum}` }
  if (exclusiveMaximum !== undefined && value >= exclusiveMaximum) return { problem: `This must be less than ${exclusiveMaximum}` }
  // The quotient, because the remainder of 0.3 by 0.1 is not zero.
  const times = multipleOf === undefined ? 0 : value / multipleOf
  if (Math.abs(times - Math.round(times)) > 1e-9) return { problem: `This must be a multiple of ${multipleOf}` }
  return { value }
}

function readText(schema: ParamSchema, typed: string): Reading {
  const { minLength, maxLength, pattern, format } = schema
  const length = [...typed].length
  if (minLength !== undefined && length < minLength) return { problem: `This needs at least ${minLength} characters` }
  if (maxLength !== undefined && length > maxLength) return { problem: `This may have at most ${maxLength} characters` }
  if (pattern !== undefined && !matches(pattern, typed)) return { problem: `This must match ${pattern}` }
  if (format === 'date-time' && Number.isNaN(Date.parse(typed))) {
    return { problem: 'This must be a date and time, such as 2026-11-21T00:00:00Z' }
  }
  return { value: typed }
}

function readJson(param: Param, typed: string): Reading {
  let value: unknown
  try {
    value = JSON.parse(typed)
  } catch (error) {
    return { problem: `This is not valid JSON: ${error instanceof Error ? error.message : 'it does not parse'}` }
  }
  const types = [param.schema.type ?? []].flat()
  if (types.length > 0 && !types.some((type) => isOfType(value, type))) {
    return { problem: `This must be of type ${types.join(' or ')}` }
  }
  const { minItems, maxItems } = param.schema
  if (Array.isArray(value)) {
    if (minItems !== undefined && value.length < minItems) return { problem: `This needs at least ${minItems} items` }
    if (maxItems !== undefined && value.length > maxItems) return { problem: `This may have at most ${maxItems} items` }
  }
  return { value }
}

function isOfType(value: unknown, type: string): boolean {
  switch (type) {
    case 'array':
      return Array.isArray(value)
    case 'object':
      return isRecord(value)
    case 'null':
      return value === null
    case 'integer':
      return Number.isInteger(value)
    default:
      return typeof value === type
  }
}

/** A pattern that the browser cannot read is left to the server. */
function matches(pattern: string, typed: string): boolean {
  try {
    return new RegExp(pattern, 'u').test(typed)
  } catch {
    return true
  }
}

/** A conf as a person typed it. */
export function readConf(typed: string): { conf: Record<string, unknown> } | { problem: string } {
  if (typed.trim() === '') return { conf: {} }
  try {
    const value: unknown = JSON.parse(typed)
    return isRecord(value) ? { conf: value } : { problem: 'The conf must be a JSON object, such as {"rows": 100}' }
  } catch (error) {
    return { problem: `This is not valid JSON: ${error instanceof Error ? error.message : 'it does not parse'}` }
  }
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
