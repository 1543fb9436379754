import { useSuspenseQuery } from '@tanstack/react-query'
import { dagDetailsQuery, dagSourceQuery } from '../../api/queries/dags'
import { YamlView } from '../../components/YamlView'
import { CopyIcon } from '../../ui/CopyText'
import { EmptyMessage } from '../../ui/EmptyMessage'
import { Panel } from '../../ui/Panel'
import classes from './DagPage.module.css'

/** The file that the DAG is written in. */
export function SourceTab({ dagId }: { dagId: string }) {
  const { content, version_number: version } = useSuspenseQuery(dagSourceQuery(dagId)).data
  const file = useSuspenseQuery(dagDetailsQuery(dagId)).data.fileloc
  if (content === null) return <EmptyMessage icon="code" title="The source of this DAG is not stored" />
  return (
    <Panel
      flush
      title={<code className={classes.file}>{file}</code>}
      aside={
        <span className={classes.asideGroup}>
          {version !== null && <span className={classes.aside}>Version {version}</span>}
          <CopyIcon text={content} label="Copy the file" />
        </span>
      }
    >
      <YamlView text={content} label={`Source of ${dagId}`} />
    </Panel>
  )
}
