import { expect, test } from 'vitest'
import { dagSearch, dagsSearch, loginSearch, taskSearch } from './search'

test('filters of the list survive, nonsense is dropped', () => {
  expect(dagsSearch({ q: 'pin', tags: ['aws', 3], paused: false, state: 'failed', page: 2 })).toEqual({
    q: 'pin',
    tags: ['aws', '3'],
    paused: false,
    state: 'failed',
    page: 2,
  })
  expect(dagsSearch({ q: '', tags: 'x', paused: 'maybe', state: 'toString', page: -1 })).toEqual({})
  expect(dagsSearch({ q: 2024 })).toEqual({ q: '2024' })
})

test('the sign-in page leads back into this app only', () => {
  expect(loginSearch({ to: '/dags/hello?tab=runs' })).toEqual({ to: '/dags/hello?tab=runs' })
  for (const to of ['https://evil.example', '//evil.example', '/\\evil.example', 'dags']) {
    expect(loginSearch({ to })).toEqual({ to: undefined })
  }
})

test('a try is a whole number from one', () => {
  expect(taskSearch({ try: 2, tab: 'result' })).toEqual({ try: 2, tab: 'result' })
  expect(taskSearch({ try: 0, tab: 'grid' })).toEqual({})
})

test('the runs of a DAG are narrowed by state and type', () => {
  expect(dagSearch({ tab: 'runs', state: 'failed', type: 'backfill' })).toEqual({ tab: 'runs', state: 'failed', type: 'backfill' })
  expect(dagSearch({ tab: 'runs', type: 'often' })).toEqual({ tab: 'runs' })
})

test('an instance of a mapped task counts from zero', () => {
  expect(taskSearch({ map: 0 })).toEqual({ map: 0 })
  expect(taskSearch({ map: -1 })).toEqual({})
  expect(dagSearch({ tab: 'grid', runs: 50 })).toEqual({ tab: 'grid', runs: 50 })
})
