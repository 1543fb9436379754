import { Switch, Tooltip } from '@mantine/core'
import { messageOf } from '../api/errors'
import { usePauseDag } from '../api/queries/dags'
import { toast } from '../ui/toast'

interface Props {
  dagId: string
  isPaused: boolean
  /** Shows the word beside the switch. */
  withLabel?: boolean
}

/** On while the DAG is scheduled. */
export function PauseSwitch({ dagId, isPaused, withLabel = false }: Props) {
  const pause = usePauseDag(dagId)
  // The switch moves at once, and back if the server refuses.
  const shown = pause.isPending ? pause.variables : isPaused
  return (
    <Tooltip label={shown ? 'Paused: no run starts. Switch on to let it run' : 'Active: runs on its schedule'}>
      <div>
        <Switch
          size="sm"
          label={withLabel ? (shown ? 'Paused' : 'Active') : undefined}
          aria-label={withLabel ? undefined : `${dagId} is ${shown ? 'paused' : 'active'}`}
          checked={!shown}
          onChange={(event) =>
            // Not by callbacks of `mutate`: a list of paused DAGs may have heard of it, and have no row for it any more.
            void pause.mutateAsync(!event.currentTarget.checked).then(
              (dag) => toast.good(dag.is_paused ? `${dagId} is paused` : `${dagId} is active`),
              (error: unknown) => toast.bad(`${dagId} did not change`, messageOf(error)),
            )
          }
        />
      </div>
    </Tooltip>
  )
}
