import { Skeleton } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { messageOf } from '../../api/errors'
import { isTryOpen, taskState, type TaskInstance } from '../../api/model'
import { taskLogQuery } from '../../api/queries/tasks'
import { LogView } from '../../components/log/LogView'
import { useLogStream } from '../../components/log/useLogStream'
import { streams } from '../../paths'
import { EmptyMessage } from '../../ui/EmptyMessage'

interface Props {
  instance: TaskInstance
  tryNumber: number
}

/** The log of one try: as it comes while the try runs, as it is afterwards. */
export function LogTab({ instance, tryNumber }: Props) {
  const { dag_id: dagId, task_id: taskId, map_index: mapIndex } = instance
  const state = taskState(instance)
  // A try has its number from when it is scheduled.
  const begun = tryNumber > 0 && !(state === 'scheduled' && instance.start_date === null)
  const live = begun && tryNumber === instance.try_number && isTryOpen(state)
  const streamed = useLogStream(live ? streams.log(instance, tryNumber) : null)
  const whole = useQuery({ ...taskLogQuery(instance, tryNumber), enabled: begun && !live })

  if (!begun) {
    return <EmptyMessage icon="clock" title="This task has not started">Its log shows here as soon as it runs.</EmptyMessage>
  }
  if (whole.isError) {
    return (
      <EmptyMessage icon="alert" title="The log could not be read">
        {messageOf(whole.error)}
      </EmptyMessage>
    )
  }
  const log = live ? streamed : (whole.data ?? null)
  if (log === null) return <Skeleton height={320} m={16} role="status" aria-label="Loading the log" />
  return <LogView log={log} live={live} fileName={`${dagId}.${taskId}${mapIndex < 0 ? '' : `.${mapIndex}`}.try${tryNumber}`} />
}
