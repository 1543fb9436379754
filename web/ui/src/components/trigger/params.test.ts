import { describe, expect, test } from 'vitest'
import { choicesOf, draftOf, readConf, readDraft, readParams, type Param } from './params'

function param(schema: object, value?: unknown): Param {
  const [only] = readParams({ it: { value, description: null, schema, source: null } })
  if (only === undefined) throw new Error('one param in, one param out')
  return only
}

test.each([
  [{ type: 'string' }, 'text'],
  [{ type: 'string', format: 'date' }, 'date'],
  [{ type: 'string', format: 'multiline' }, 'long text'],
  [{ type: ['null', 'string'] }, 'text'],
  [{ type: 'integer' }, 'integer'],
  [{ type: 'number' }, 'number'],
  [{ type: 'boolean' }, 'boolean'],
  [{ type: 'string', enum: ['keep', 'drop'] }, 'choice'],
  [{ const: 3 }, 'const'],
  [{ type: 'array' }, 'json'],
  [{ type: 'object' }, 'json'],
  [{ type: ['string', 'integer'] }, 'json'],
])('%j becomes a field for %s', (schema, kind) => {
  expect(param(schema).kind).toBe(kind)
})

test('a param without a schema is shown as what its default is', () => {
  const kinds = readParams({ a: 1, b: 'x', c: true, d: [1], e: null }).map(({ name, kind, nullable }) => [name, kind, nullable])

  expect(kinds).toEqual([
    ['a', 'integer', true],
    ['b', 'text', true],
    ['c', 'boolean', true],
    ['d', 'json', true],
    ['e', 'text', true],
  ])
})

describe('a good value is read', () => {
  test.each([
    [{ type: 'integer', minimum: 1 }, '11154', 11154],
    [{ type: 'number', multipleOf: 0.1 }, '0.3', 0.3],
    [{ type: 'string', pattern: '^[0-9a-f]{12}$' }, '0a3db223d459', '0a3db223d459'],
    [{ type: 'boolean' }, true, true],
    [{ enum: ['a', 2, null] }, '2', 2],
    [{ const: 'fixed' }, 'whatever', 'fixed'],
    [{ type: 'array' }, '[1, 2]', [1, 2]],
    [{ type: ['object', 'null'] }, ' ', null],
    [{ type: ['integer', 'null'] }, '', null],
    [{ type: 'string', pattern: '(?<bad' }, 'left to the server', 'left to the server'],
  ])('%j ← %j', (schema, draft, value) => {
    expect(readDraft(param(schema), draft)).toEqual({ value })
  })

  test('an empty text, where the default is a text', () => {
    expect(readDraft(param({ type: 'string' }, 'x'), '')).toEqual({ value: '' })
  })
})

describe('a bad value is refused, with the reason', () => {
  test.each([
    [{ type: 'integer' }, '1.5', 'This must be a whole number'],
    [{ type: 'integer' }, 'ten', 'This is not a number'],
    [{ type: 'integer', minimum: 1 }, '0', 'This must be at least 1'],
    [{ type: 'integer', maximum: 5 }, '6', 'This must be at most 5'],
    [{ type: 'number', exclusiveMinimum: 0 }, '0', 'This must be more than 0'],
    [{ type: 'number', exclusiveMaximum: 1 }, '1', 'This must be less than 1'],
    [{ type: 'number', multipleOf: 0.5 }, '0.7', 'This must be a multiple of 0.5'],
    [{ type: 'string', minLength: 3 }, 'ab', 'This needs at least 3 characters'],
    [{ type: 'string', maxLength: 2 }, 'abc', 'This may have at most 2 characters'],
    [{ type: 'string', pattern: '^a$' }, 'b', 'This must match ^a$'],
    [{ type: 'string', format: 'date-time' }, 'soon', 'This must be a date and time, such as 2026-11-21T00:00:00Z'],
    [{ type: 'string' }, '', 'A value is needed'],
    [{ enum: ['a'] }, '', 'A value is needed'],
    [{ type: 'array' }, '{}', 'This must be of type array'],
    [{ type: 'array', minItems: 1 }, '[]', 'This needs at least 1 items'],
  ])('%j ← %j', (schema, draft, problem) => {
    expect(readDraft(param(schema), draft)).toEqual({ problem })
  })

  test('JSON that does not parse', () => {
    expect(readDraft(param({ type: 'object' }), '{')).toEqual({ problem: expect.stringMatching(/^This is not valid JSON: /) as string })
  })
})

test('a default goes into its field and out again', () => {
  for (const [schema, value] of [
    [{ type: 'integer' }, 11154],
    [{ type: 'string' }, 'sample'],
    [{ enum: ['keep', 'drop'] }, 'drop'],
    [{ type: 'object' }, { a: [1] }],
    [{ type: 'boolean' }, false],
  ] as const) {
    const it = param(schema, value)
    expect(readDraft(it, draftOf(it, it.value))).toEqual({ value })
  }
})

test('choices keep their types and may have names', () => {
  expect(choicesOf(param({ enum: ['keep', 2], values_display: { keep: 'Keep all' } }))).toEqual([
    { value: '"keep"', label: 'Keep all' },
    { value: '2', label: '2' },
  ])
})

test('a conf is an object', () => {
  expect(readConf(' ')).toEqual({ conf: {} })
  expect(readConf('{"rows": 5}')).toEqual({ conf: { rows: 5 } })
  expect(readConf('[1]')).toEqual({ problem: 'The conf must be a JSON object, such as {"rows": 100}' })
})
