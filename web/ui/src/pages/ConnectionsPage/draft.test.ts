import { expect, test } from 'vitest'
import type { Connection, ConnectionField } from '../../api/model'
import { bodyOf, draftOf, emptyDraft, faultsOf, fieldsOf } from './draft'

function field(name: string, kind: string, isExtra: boolean): ConnectionField {
  return { name, label: name, kind, is_extra: isExtra, choices: [], placeholder: '', help: '' }
}

const FIELDS = [
  field('host', 'text', false), field('password', 'secret', false), field('port', 'number', false),
  field('token', 'secret', true), field('verify', 'flag', true),
]

const CONNECTION: Connection = {
  connection_id: 'db', conn_type: 'databricks', description: null, host: 'h', login: 'me', schema: null, port: 443,
  password: '***', extra: '{"token":"***","verify":true,"list":[1]}', team_name: null,
}

test('a connection that is not touched is sent as it was shown', () => {
  const draft = draftOf(CONNECTION, FIELDS)
  expect(draft.values).toEqual({ host: 'h', password: '***', port: '443', token: '***', verify: true })
  expect(JSON.parse(draft.more)).toEqual({ list: [1] })
  const body = bodyOf(draft, FIELDS)
  expect(body).toEqual({
    connection_id: 'db', conn_type: 'databricks', description: null, host: 'h', password: '***', port: 443,
    extra: '{"token":"***","verify":true,"list":[1]}',
  })
  expect('login' in body, 'what the form does not show stays as it is').toBe(false)
})

test('what is not touched in `extra` keeps its kind, and its spelling', () => {
  const extra = '{"verify":"True","version":2,"off":false}'
  const fields = [field('verify', 'flag', true), field('version', 'number', true), field('off', 'flag', true)]
  const draft = draftOf({ ...CONNECTION, extra }, fields)
  expect(draft.values).toEqual({ verify: true, version: '2', off: false })
  expect(bodyOf(draft, fields).extra).toBe(extra)
  const changed = { ...draft, values: { verify: false, version: '1', off: true } }
  expect(bodyOf(changed, fields).extra).toBe('{"version":"1","off":true}')
})

test('what the server could not read of `extra` stays as it is', () => {
  const draft = draftOf({ ...CONNECTION, extra: '***' }, FIELDS)
  expect(faultsOf(draft, FIELDS)).toEqual({})
  expect(bodyOf(draft, FIELDS).extra).toBe('***')
})

test('a field of an `extra` that the server could not read is not saved in place of all of it', () => {
  const unread = draftOf({ ...CONNECTION, extra: '***' }, FIELDS)
  const draft = { ...unread, values: { ...unread.values, token: 'new', verify: false } }
  expect(faultsOf(draft, FIELDS)).toEqual({
    more: '*** leaves all of it as it is: empty token above, or write here what else it holds',
  })
  expect(faultsOf({ ...draft, more: '{"list":[1]}' }, FIELDS)).toEqual({})
  expect(faultsOf(draft, []), 'a type that does not have the field does not send it').toEqual({})
})

test('secrets are replaced and removed, and what is empty is null', () => {
  const draft = draftOf(CONNECTION, FIELDS)
  const changed = { ...draft, more: '', values: { host: ' x ', password: ' s ', port: '', token: '', verify: false } }
  expect(bodyOf(changed, FIELDS)).toMatchObject({ host: 'x', password: ' s ', port: null, extra: null })
})

test('what cannot be sent is said beside its field', () => {
  expect(faultsOf({ ...emptyDraft('http'), id: 'a b', more: '[1]', values: { port: '70000' } }, [])).toEqual({
    id: 'Letters, digits, dots, hyphens and underscores',
    port: 'A whole number from 0 to 65535',
    more: 'A JSON object, such as {"key": "value"}',
  })
  expect(faultsOf({ ...emptyDraft('http'), id: 'my_db-1.x', more: ' ', values: { port: '0' } }, [])).toEqual({})
})

test('a type that is not known has the fields of any', () => {
  expect(fieldsOf([], 'odd').map((each) => each.name)).toEqual(['host', 'login', 'password', 'schema', 'port'])
})
