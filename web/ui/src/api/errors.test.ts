import { expect, test } from 'vitest'
import { detailText } from './errors'

const answer = { status: 409, statusText: 'Conflict' }

test.each([
  [{ detail: 'DAG is gone' }, 'DAG is gone'],
  [{ detail: { reason: 'Unique constraint violation', message: 'hidden' } }, 'Unique constraint violation'],
  [{ detail: [{ loc: ['body', 'conf', 'rows'], msg: 'must be at least 1', type: 'x' }] }, 'conf.rows: must be at least 1'],
  [{ detail: '' }, 'The server answered 409 Conflict'],
  ['<html>', 'The server answered 409 Conflict'],
  [undefined, 'The server answered 409 Conflict'],
])('%j reads: %s', (body, text) => {
  expect(detailText(body, answer)).toBe(text)
})
