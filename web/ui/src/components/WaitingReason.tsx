import { useQuery } from '@tanstack/react-query'
import type { DagRun, TaskInstance } from '../api/model'
import { runTasksQuery } from '../api/queries/runs'
import { Reason } from './Reason'

/** Why a run does not start: the reason that most of its tasks have stored; null when they have none. */
export function commonReason(instances: readonly Pick<TaskInstance, 'reason'>[]): string | null {
  const counts = new Map<string, number>()
  for (const { reason } of instances) if (reason !== null) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  let best: [reason: string, count: number] | null = null
  for (const each of counts) if (best === null || each[1] > best[1]) best = each
  return best?.[0] ?? null
}

/** The reason of a queued run, for lists. */
export function WaitingReason({ run, zone }: { run: DagRun; zone: string }) {
  const instances = useQuery({ ...runTasksQuery(run.dag_id, run.dag_run_id), enabled: run.state === 'queued' }).data
  const reason = commonReason(instances ?? [])
  return run.state === 'queued' && reason !== null ? <Reason text={reason} zone={zone} /> : null
}
