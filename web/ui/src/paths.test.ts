import { createMemoryHistory, createRouter } from '@tanstack/react-router'
import { expect, test } from 'vitest'
import { makeQueryClient } from './api/cache'
import { makeLive } from './api/live'
import { hrefs, pageOf, paths, streams } from './paths'
import { makeRouter } from './routes'

test('every URL of the app', () => {
  const run = 'manual__2026-11-21T08:00:00+00:00'
  const queries = makeQueryClient(() => undefined)
  const { options } = makeRouter({ queries, live: makeLive(queries) })
  const router = createRouter({ ...options, history: createMemoryHistory() })
  // Each link is checked against the routes where it is used; here any will do.
  const url = (link: object) => router.buildLocation(link as never).href

  expect({
    login: url(paths.login()),
    loginBack: url(paths.login('/dags/hello?tab=runs')),
    dags: url(paths.dags()),
    importErrors: url(paths.importErrors()),
    requiredActions: url(paths.requiredActions()),
    pools: url(paths.pools()),
    assets: url(paths.assets()),
    asset: url(paths.asset(7)),
    callbacks: url(paths.callbacks()),
    dag: url(paths.dag('pinterest_batch')),
    run: url(paths.run('pinterest_batch', run)),
    task: url(paths.task('pinterest_batch', run, 'group/task 5')),
    mapped: url(paths.instance({ dag_id: 'hello', dag_run_id: run, task_id: 'say', map_index: 3 })),
    events: streams.events(),
    log: streams.log({ dag_id: 'hello', dag_run_id: run, task_id: 'say', map_index: -1 }, 2),
    mappedLog: streams.log({ dag_id: 'hello', dag_run_id: run, task_id: 'say', map_index: 3 }, 2),
  }).toMatchInlineSnapshot(`
    {
      "asset": "/assets/7",
      "assets": "/assets",
      "callbacks": "/callbacks",
      "dag": "/dags/pinterest_batch",
      "dags": "/dags",
      "events": "/api/v2/updraft/events",
      "importErrors": "/import-errors",
      "log": "/api/v2/updraft/dags/hello/dagRuns/manual__2026-11-21T08%3A00%3A00%2B00%3A00/taskInstances/say/logs/2/stream",
      "login": "/login",
      "loginBack": "/login?to=%2Fdags%2Fhello%3Ftab%3Druns",
      "mapped": "/dags/hello/runs/manual__2026-11-21T08%3A00%3A00%2B00%3A00/tasks/say?map=3",
      "mappedLog": "/api/v2/updraft/dags/hello/dagRuns/manual__2026-11-21T08%3A00%3A00%2B00%3A00/taskInstances/say/logs/2/stream?map_index=3",
      "pools": "/pools",
      "requiredActions": "/required-actions",
      "run": "/dags/pinterest_batch/runs/manual__2026-11-21T08%3A00%3A00%2B00%3A00",
      "task": "/dags/pinterest_batch/runs/manual__2026-11-21T08%3A00%3A00%2B00%3A00/tasks/group%2Ftask%205",
    }
  `)

  expect(hrefs.run('pinterest_batch', run)).toBe(url(paths.run('pinterest_batch', run)))
  expect(hrefs.task('pinterest_batch', run, 'group/task 5')).toBe(url(paths.task('pinterest_batch', run, 'group/task 5')))
})

test('a page has one name, however its address is spelled', () => {
  const page = (pathname: string, search: { map?: number } = {}) => pageOf({ pathname, search })

  expect(page('/dags/')).toBe(page('/dags'))
  const run = '/dags/hello/runs/manual__2026-11-21T08:00:00+00:00'
  const spelled = '/dags/hello/runs/manual__2026-11-21T08%3A00%3A00%2B00%3A00'
  expect(page(run)).toBe(page(spelled))
  expect(page(`${run}/`, { map: 1 })).toBe(page(spelled, { map: 1 }))
  expect(page(run, { map: 1 })).not.toBe(page(run))
  // A slash within an id is not one between two parts.
  expect(page('/dags/a%2Fb')).not.toBe(page('/dags/a/b'))
  expect(page('/dags/100%')).toBe('/dags/100%')
})
