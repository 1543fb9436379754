import { expect, test } from 'vitest'
import { freshDraft, readDraft } from './draft'

const NOW = Date.parse('2026-11-20T23:30:00Z')

test('the form begins with the last week, by the clock of the DAG', () => {
  expect(freshDraft(NOW, 'Europe/Berlin')).toMatchObject({ from: '2026-11-14T00:00', to: '2026-11-21T00:00', reprocess: 'none', maxActiveRuns: 10 })
  expect(freshDraft(NOW, 'UTC')).toMatchObject({ from: '2026-11-13T00:00', to: '2026-11-20T00:00' })
})

test('dates are meant in the zone of the DAG', () => {
  const draft = { ...freshDraft(NOW, 'Europe/Berlin'), newestFirst: true, reprocess: 'failed' as const, conf: '{"region": "us"}' }

  expect(readDraft(draft, 'sales', 'Europe/Berlin')).toEqual({
    body: {
      dag_id: 'sales', from_date: '2026-11-13T23:00:00.000Z', to_date: '2026-11-20T23:00:00.000Z', reprocess_behavior: 'failed',
      max_active_runs: 10, run_backwards: true, dag_run_conf: { region: 'us' }, run_on_latest_version: undefined,
    },
  })
})

test('the DAG says on which version its runs run again, unless somebody does', () => {
  const asked = (keepVersion?: boolean) => {
    const reading = readDraft({ ...freshDraft(NOW, 'UTC'), keepVersion }, 'sales', 'UTC')
    return JSON.stringify('body' in reading ? reading.body : undefined)
  }

  expect(asked()).not.toContain('run_on_latest_version')
  expect(asked(true)).toContain('"run_on_latest_version":false')
  expect(asked(false)).toContain('"run_on_latest_version":true')
})

test('each field says what is wrong with it', () => {
  const draft = freshDraft(NOW, 'UTC')
  const problems = (of: Partial<typeof draft>) => readDraft({ ...draft, ...of }, 'sales', 'UTC')

  expect(problems({ from: '' })).toEqual({ problems: { from: 'A date and a time are needed' } })
  expect(problems({ from: '2026-11-21T00:00' })).toEqual({ problems: { to: 'This is before the first date' } })
  for (const maxActiveRuns of ['', 0, 1.5]) {
    expect(problems({ maxActiveRuns })).toEqual({ problems: { maxActiveRuns: 'A whole number from 1' } })
  }
  expect(problems({ conf: '[1]' })).toHaveProperty('problems.conf')
})
