import type { DagDetails } from '../../api/model'

/** Why nobody can trigger the DAG, if it allows no runs by hand. */
export function triggerRefusal({ allowed_run_types: allowed }: Pick<DagDetails, 'allowed_run_types'>): string | undefined {
  return allowed === null || allowed.includes('manual') ? undefined : 'This DAG allows no manual runs (allowed_run_types)'
}
