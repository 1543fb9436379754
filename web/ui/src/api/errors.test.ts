import { expect, test } from 'vitest'
import { ApiError, detailText, isSignedOut } from './errors'

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

test.each([
  [new ApiError(401, 'Token Expired'), true],
  [new ApiError(403, 'Invalid JWT token'), true],
  [new ApiError(403, 'ada is not among those who may answer `ask`'), false],
  [new ApiError(404, 'Invalid JWT token'), false],
  [new Error('Invalid JWT token'), false],
])('%s asks to sign in: %s', (error, asks) => {
  expect(isSignedOut(error)).toBe(asks)
})
