import { queryOptions } from '@tanstack/react-query'
import { answer, client, jsonAnswer } from '../client'
import { keys } from '../keys'
import type { LogLine, TaskInstance } from '../model'
import { instancesOf } from './runs'

const TI = '/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}'

/** Others end what is waited for, in other runs and by other DAGs, and no event of this run tells. */
const OBSTACLES_REFRESH_MS = 3000

/** Which task instance: -1 is the index of one that is not mapped. */
export type InstanceName = Pick<TaskInstance, 'dag_id' | 'dag_run_id' | 'task_id' | 'map_index'>

function path({ dag_id, dag_run_id, task_id }: InstanceName) {
  return { dag_id, dag_run_id, task_id }
}

function mapped(name: InstanceName) {
  return { ...path(name), map_index: name.map_index }
}

/** The key of what belongs to one instance; it lies under the key of its task. */
function instanceKey({ dag_id, dag_run_id, task_id, map_index }: InstanceName) {
  return [...keys.task(dag_id, dag_run_id, task_id), map_index] as const
}

/** The instances of a task: one, or as many as a mapped task has. */
export function taskInstancesQuery(dagId: string, runId: string, taskId: string) {
  return queryOptions({
    queryKey: [...keys.task(dagId, runId, taskId), 'instances'],
    queryFn: () => instancesOf(dagId, runId, taskId),
  })
}

export function taskQuery(name: InstanceName) {
  return queryOptions({
    queryKey: [...instanceKey(name), 'task'],
    queryFn: () =>
      answer(
        name.map_index < 0
          ? client.GET(TI, { params: { path: path(name) } })
          : client.GET(`${TI}/{map_index}`, { params: { path: mapped(name) } }),
      ),
  })
}

export function taskTriesQuery(name: InstanceName) {
  return queryOptions({
    queryKey: [...instanceKey(name), 'tries'],
    queryFn: () =>
      answer(
        name.map_index < 0
          ? client.GET(`${TI}/tries`, { params: { path: path(name) } })
          : client.GET(`${TI}/{map_index}/tries`, { params: { path: mapped(name) } }),
      ),
    select: (page) => page.task_instances,
  })
}

/** What is in the way of a task that does not run. */
export function taskObstaclesQuery(name: InstanceName) {
  return queryOptions({
    // Part of the run: what runs or ends beside the task may be what it waits for.
    queryKey: [...keys.run(name.dag_id, name.dag_run_id), 'obstacles', name.task_id, name.map_index],
    queryFn: () =>
      answer(
        name.map_index < 0
          ? client.GET(`${TI}/dependencies`, { params: { path: path(name) } })
          : client.GET(`${TI}/{map_index}/dependencies`, { params: { path: mapped(name) } }),
      ),
    select: (page) => page.dependencies,
    refetchInterval: OBSTACLES_REFRESH_MS,
  })
}

/** The log of a try that is over; one that runs is read from its stream instead. */
export function taskLogQuery(name: InstanceName, tryNumber: number) {
  return queryOptions({
    queryKey: [...instanceKey(name), 'log', tryNumber],
    queryFn: () =>
      jsonAnswer(
        client.GET(`${TI}/logs/{try_number}`, {
          params: {
            path: { ...path(name), try_number: tryNumber },
            query: { full_content: true, map_index: name.map_index },
          },
        }),
      ),
    select: (log) => ownLines(log.content),
  })
}

/**
 * The lines of the task itself. The log opens with a group that says where it is kept, which the stream of a running
 * try does not have.
 */
export function ownLines(log: LogLine[]): LogLine[] {
  const [first, second] = log
  const isOpening = first?.event === '::group::Log message source details' && second?.event === '::endgroup::'
  return isOpening ? log.slice(2) : log
}

export interface XComEntry {
  key: string
  value: unknown
}

/** Every XCom of a task with its value: the list names them, each value is asked for by itself. */
export function taskXComsQuery(name: InstanceName) {
  const map_index = name.map_index
  return queryOptions({
    queryKey: [...instanceKey(name), 'xcom'],
    queryFn: async (): Promise<XComEntry[]> => {
      const list = await answer(
        client.GET(`${TI}/xcomEntries`, { params: { path: path(name), query: { limit: 100, map_index } } }),
      )
      return Promise.all(
        list.xcom_entries.map(async ({ key }) => {
          const entry = await answer(
            client.GET(`${TI}/xcomEntries/{xcom_key}`, {
              params: { path: { ...path(name), xcom_key: key }, query: { deserialize: true, map_index } },
            }),
          )
          return { key, value: entry.value }
        }),
      )
    },
  })
}
