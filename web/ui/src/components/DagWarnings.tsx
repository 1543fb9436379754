import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { dagWarningsQuery } from '../api/queries/dags'
import { paths } from '../paths'
import { Notice } from '../ui/Notice'
import classes from './LastFailure.module.css'

/** What is amiss with a DAG whose file is right, and the way to mend it. */
export function DagWarnings({ dagId }: { dagId: string }) {
  const warnings = useQuery(dagWarningsQuery(dagId)).data ?? []
  return warnings.map((warning) => (
    <div key={warning.warning_type + warning.message} className={classes.failure}>
      <Notice tone="notice" icon="alert">
        {warning.message}. Tasks that wait for one never start: <Link {...paths.pools()}>make it</Link>, or name another in the DAG’s file.
      </Notice>
    </div>
  ))
}
