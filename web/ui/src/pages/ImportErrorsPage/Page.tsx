import { useSuspenseQuery } from '@tanstack/react-query'
import { importErrorsQuery } from '../../api/queries/dags'
import { PageHead } from '../../components/PageHead'
import { Time } from '../../components/Time'
import { CodeBlock } from '../../ui/CodeBlock'
import { EmptyMessage } from '../../ui/EmptyMessage'
import { Icon } from '../../ui/Icon'
import { Panel } from '../../ui/Panel'
import classes from './ImportErrorsPage.module.css'

export function ImportErrorsPage() {
  const { import_errors: errors } = useSuspenseQuery(importErrorsQuery).data
  return (
    <>
      <PageHead
        documentTitle="Import errors"
        title="Import errors"
        description={
          errors.length > 0
            ? 'These DAG files do not load. Save a file anew, and it is read again within a second; until then the last good version of its DAGs goes on running.'
            : undefined
        }
      />
      {errors.length === 0 ? (
        <Panel>
          <EmptyMessage icon="check" title="Every DAG file loads">
            A file that does not is shown here, with the place and the way to mend it.
          </EmptyMessage>
        </Panel>
      ) : (
        <div className={classes.list}>
          {errors.map((error) => (
            <Panel
              key={error.import_error_id}
              flush
              title={
                <span className={classes.title} data-tone="bad">
                  <Icon name="alert" size={15} />
                  <code>{error.filename}</code>
                </span>
              }
              aside={
                <span className={classes.time}>
                  <Time at={error.timestamp} as="relative" />
                </span>
              }
            >
              <CodeBlock text={error.stack_trace} label={`Error in ${error.filename}`} />
            </Panel>
          ))}
        </div>
      )}
    </>
  )
}
