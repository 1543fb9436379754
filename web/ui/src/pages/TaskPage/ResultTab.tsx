import { Skeleton } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { messageOf } from '../../api/errors'
import { isTaskFinished, taskState, type TaskInstance } from '../../api/model'
import { taskXComsQuery, type XComEntry } from '../../api/queries/tasks'
import { AnswerPanel } from '../../components/result/AnswerPanel'
import { CleanPanel } from '../../components/result/CleanPanel'
import { EmulationPanel } from '../../components/result/EmulationPanel'
import { asCleanReport, asEmulationReport, asQueryAnswer } from '../../components/result/shapes'
import { CodeBlock } from '../../ui/CodeBlock'
import { EmptyMessage } from '../../ui/EmptyMessage'
import classes from './TaskPage.module.css'

/** What the task handed on: its XComs, each drawn as what it is. */
export function ResultTab({ instance }: { instance: TaskInstance }) {
  const { dag_id: dagId, task_id: taskId } = instance
  const entries = useQuery(taskXComsQuery(instance))
  if (entries.isError) {
    return (
      <EmptyMessage icon="alert" title="The result could not be read">
        {messageOf(entries.error)}
      </EmptyMessage>
    )
  }
  if (entries.data === undefined) return <Skeleton height={320} m={16} role="status" aria-label="Loading the result" />
  if (entries.data.length === 0) {
    return isTaskFinished(taskState(instance)) ? (
      <EmptyMessage icon="table" title="This task has no result">
        It handed nothing on.
      </EmptyMessage>
    ) : (
      <EmptyMessage icon="clock" title="No result yet">
        It shows here when the task has ended.
      </EmptyMessage>
    )
  }
  const result = entries.data.find((entry) => entry.key === 'return_value')
  const rest = entries.data.filter((entry) => entry !== result)
  return (
    <>
      {result !== undefined && <Value entry={result} fileName={`${dagId}.${taskId}`} />}
      {rest.map((entry) => (
        <div key={entry.key} className={classes.xcom}>
          <h2>
            XCom <code>{entry.key}</code>
          </h2>
          <CodeBlock text={pretty(entry.value)} label={entry.key} wrap />
        </div>
      ))}
    </>
  )
}

function Value({ entry, fileName }: { entry: XComEntry; fileName: string }) {
  const answer = asQueryAnswer(entry.value)
  if (answer !== null) return <AnswerPanel answer={answer} fileName={fileName} />
  const report = asCleanReport(entry.value)
  if (report !== null) return <CleanPanel report={report} />
  const posted = asEmulationReport(entry.value)
  if (posted !== null) return <EmulationPanel report={posted} />
  return (
    <div className={classes.xcom}>
      <CodeBlock text={pretty(entry.value)} label="Result" wrap />
    </div>
  )
}

function pretty(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2)
}
