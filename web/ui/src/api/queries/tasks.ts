import { queryOptions } from '@tanstack/react-query'
import { answer, client, jsonAnswer } from '../client'
import { keys } from '../keys'
import type { LogLine } from '../model'

const TI = '/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}'

/** Others end what is waited for, in other runs and by other DAGs, and no event of this run tells. */
const OBSTACLES_REFRESH_MS = 3000

function path(dagId: string, runId: string, taskId: string) {
  return { dag_id: dagId, dag_run_id: runId, task_id: taskId }
}

export function taskQuery(dagId: string, runId: string, taskId: string) {
  return queryOptions({
    queryKey: [...keys.task(dagId, runId, taskId), 'task'],
    queryFn: () => answer(client.GET(TI, { params: { path: path(dagId, runId, taskId) } })),
  })
}

export function taskTriesQuery(dagId: string, runId: string, taskId: string) {
  return queryOptions({
    queryKey: [...keys.task(dagId, runId, taskId), 'tries'],
    queryFn: () => answer(client.GET(`${TI}/tries`, { params: { path: path(dagId, runId, taskId) } })),
    select: (page) => page.task_instances,
  })
}

/** What is in the way of a task that does not run. */
export function taskObstaclesQuery(dagId: string, runId: string, taskId: string) {
  return queryOptions({
    // Part of the run: what runs or ends beside the task may be what it waits for.
    queryKey: [...keys.run(dagId, runId), 'obstacles', taskId],
    queryFn: () => answer(client.GET(`${TI}/dependencies`, { params: { path: path(dagId, runId, taskId) } })),
    select: (page) => page.dependencies,
    refetchInterval: OBSTACLES_REFRESH_MS,
  })
}

/** The log of a try that is over; one that runs is read from its stream instead. */
export function taskLogQuery(dagId: string, runId: string, taskId: string, tryNumber: number) {
  return queryOptions({
    queryKey: [...keys.task(dagId, runId, taskId), 'log', tryNumber],
    queryFn: () =>
      jsonAnswer(
        client.GET(`${TI}/logs/{try_number}`, {
          params: {
            path: { ...path(dagId, runId, taskId), try_number: tryNumber },
            query: { full_content: true },
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
export function taskXComsQuery(dagId: string, runId: string, taskId: string) {
  return queryOptions({
    queryKey: [...keys.task(dagId, runId, taskId), 'xcom'],
    queryFn: async (): Promise<XComEntry[]> => {
      const list = await answer(
        client.GET(`${TI}/xcomEntries`, { params: { path: path(dagId, runId, taskId), query: { limit: 100 } } }),
      )
      return Promise.all(
        list.xcom_entries.map(async ({ key }) => {
          const entry = await answer(
            client.GET(`${TI}/xcomEntries/{xcom_key}`, {
              params: { path: { ...path(dagId, runId, taskId), xcom_key: key }, query: { deserialize: true } },
            }),
          )
          return { key, value: entry.value }
        }),
      )
    },
  })
}
