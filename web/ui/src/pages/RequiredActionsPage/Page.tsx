import { useSuspenseQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { HitlDetail } from '../../api/model'
import { requiredActionsQuery } from '../../api/queries/hitl'
import { instanceName } from '../../components/actions/affected'
import { Question } from '../../components/hitl/Question'
import { PageHead } from '../../components/PageHead'
import { Time } from '../../components/Time'
import { paths } from '../../paths'
import { EmptyMessage } from '../../ui/EmptyMessage'
import { Panel } from '../../ui/Panel'
import classes from './RequiredActionsPage.module.css'

/** Everything that waits for a person to answer, oldest first. */
export function RequiredActionsPage() {
  const { hitl_details: details, total_entries: total } = useSuspenseQuery(requiredActionsQuery).data
  return (
    <>
      <PageHead
        documentTitle="Required actions"
        title="Required actions"
        description={total > details.length ? `The ${details.length} oldest of ${total} questions.` : 'What tasks ask of people. The first answer counts, and the task goes on at once.'}
      />
      {details.length === 0 ? (
        <Panel>
          <EmptyMessage icon="check" title="Nothing waits for you">
            A task of the operator <code>approval</code> asks here, and waits until somebody answers.
          </EmptyMessage>
        </Panel>
      ) : (
        <div className={classes.list}>
          {details.map((detail) => (
            <Asked key={detail.task_instance.id} detail={detail} />
          ))}
        </div>
      )}
    </>
  )
}

function Asked({ detail }: { detail: HitlDetail }) {
  const instance = detail.task_instance
  return (
    <Panel
      title={detail.subject}
      aside={
        <span className={classes.where}>
          <Link {...paths.dag(instance.dag_id)}>{instance.dag_id}</Link>
          <Link {...paths.instance(instance)}>{instanceName(instance)}</Link>
          <Time at={instance.logical_date ?? instance.run_after} />
        </span>
      }
    >
      <Question detail={detail} waits />
    </Panel>
  )
}
