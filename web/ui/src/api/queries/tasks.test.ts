import { expect, test } from 'vitest'
import { ownLines } from './tasks'

test('the lines that say where the log is kept are left out', () => {
  const opening = [{ event: '::group::Log message source details' }, { event: '::endgroup::' }]

  expect(ownLines([...opening, { event: 'hello' }])).toEqual([{ event: 'hello' }])
  expect(ownLines([{ event: '::group::Mine' }, { event: 'hello' }])).toHaveLength(2)
  expect(ownLines([])).toEqual([])
})
