import type { MarkedState, Relatives, TaskRef } from '../src/api/model'
import type { components } from '../src/api/schema.gen'
import { instanceKey, type Db, type Instance, type RunRecord } from './db'
import type { MockDag } from './fixtures'
import { json, problem } from './replies'

type Schemas = components['schemas']

const MARKED: MarkedState[] = ['success', 'failed', 'skipped']

/** Answers clear, mark and delete as Airflow does: dry by default, with the instances that are touched. */
export async function clearTasks(db: Db, dag: MockDag, request: Request): Promise<Response> {
  const body = (await request.json()) as Schemas['ClearTaskInstancesBody']
  const record = db.record(dag.id, body.dag_run_id ?? '')
  if (record === undefined) return problem(404, `The DagRun with run_id: \`${body.dag_run_id}\` was not found`)
  const chosen = related(db, dag, record, body.task_ids ?? dag.tasks.map((task) => task.id), body)
  const found = chosen.filter(([, each]) => body.only_failed === false || isFailed(each))
  if (body.dry_run === false) for (const [run, instances] of byRun(found)) db.clear(dag, run, instances)
  return answer(found)
}

export async function clearRun(db: Db, record: RunRecord, request: Request): Promise<Response> {
  const body = (await request.json()) as Schemas['DAGRunClearBody']
  const dag = db.dag(record.run.dag_id)
  if (dag === undefined) return problem(404, 'no such DAG')
  const found = [...record.instances.values()].filter((each) => body.only_new !== true && (body.only_failed !== true || isFailed(each)))
  if (body.dry_run !== false) return answer(found.map((each) => [record, each]))
  db.clear(dag, record, found)
  return json(record.run)
}

export async function markTask(db: Db, record: RunRecord, params: Record<string, string>, request: Request, dry: boolean): Promise<Response> {
  const body = (await request.json()) as Schemas['PatchTaskInstanceBody']
  const dag = db.dag(record.run.dag_id)
  const state = MARKED.find((each) => each === body.new_state)
  if (dag === undefined || state === undefined) return problem(422, 'new_state must be success, failed or skipped')
  const ref: TaskRef = params.map === undefined ? (params.task ?? '') : [params.task ?? '', Number(params.map)]
  const found = related(db, dag, record, [ref], body).filter(([, each]) => each.state !== state)
  if (found.length === 0 && !dry) return problem(409, `Task id ${params.task} is already in ${state} state`)
  if (!dry) for (const [run, instances] of byRun(found)) db.markTasks(dag, run, instances, state)
  return answer(found)
}

export function deleteRun(db: Db, record: RunRecord): Response {
  if (record.run.state === 'running') return problem(409, 'The run is running')
  db.remove(record)
  return new Response(null, { status: 204 })
}

type Found = [record: RunRecord, instance: Instance]

function related(db: Db, dag: MockDag, record: RunRecord, refs: TaskRef[], relatives: Relatives): Found[] {
  const keys = new Set(refs.map((ref) => (typeof ref === 'string' ? ref : instanceKey(...ref))))
  const named = refs.map((ref) => (typeof ref === 'string' ? ref : ref[0]))
  const around = new Set<string>()
  const follow = (id: string, next: (id: string) => string[]) => {
    for (const each of next(id)) {
      if (around.has(each)) continue
      around.add(each)
      follow(each, next)
    }
  }
  for (const id of named) {
    if (relatives.include_downstream === true) follow(id, (of) => dag.tasks.filter((task) => task.after.includes(of)).map((task) => task.id))
    if (relatives.include_upstream === true) follow(id, (of) => dag.tasks.find((task) => task.id === of)?.after ?? [])
  }
  const date = record.run.logical_date ?? ''
  const runs = (db.runs.get(dag.id) ?? []).filter(({ run }) => {
    const other = run.logical_date ?? ''
    return run === record.run || (relatives.include_past === true && other < date) || (relatives.include_future === true && other > date)
  })
  return runs.flatMap((run) =>
    [...run.instances.values()]
      .filter((each) => keys.has(each.task_id) || keys.has(instanceKey(each.task_id, each.map_index)) || around.has(each.task_id))
      .map((each): Found => [run, each]),
  )
}

function byRun(found: Found[]): Map<RunRecord, Instance[]> {
  const runs = new Map<RunRecord, Instance[]>()
  for (const [run, instance] of found) runs.set(run, [...(runs.get(run) ?? []), instance])
  return runs
}

function isFailed(instance: Instance): boolean {
  return instance.state === 'failed' || instance.state === 'upstream_failed'
}

function answer(found: Found[]): Response {
  return json({ task_instances: found.map(([, each]) => each), total_entries: found.length })
}
