import { messageOf } from '../../api/errors'
import type { Backfill } from '../../api/model'
import { useCancelBackfill, usePauseBackfill } from '../../api/queries/backfills'
import { plural } from '../../lib/numbers'
import { ConfirmButton } from '../../ui/ConfirmButton'
import { IconButton } from '../../ui/IconButton'
import { toast } from '../../ui/toast'
import classes from './Backfill.module.css'

/** What can be done with a backfill that is under way. */
export function BackfillActions({ backfill }: { backfill: Backfill }) {
  return (
    <div className={classes.actions}>
      <PauseButton backfill={backfill} />
      <CancelButton backfill={backfill} />
    </div>
  )
}

function PauseButton({ backfill: { id, is_paused: isPaused } }: { backfill: Backfill }) {
  const pause = usePauseBackfill(id)
  const label = isPaused ? `Let backfill ${id} go on` : `Pause backfill ${id}`
  const change = () =>
    void pause.mutateAsync(!isPaused).then(
      () => toast.good(isPaused ? `Backfill ${id} goes on` : `Backfill ${id} is paused`, isPaused ? undefined : 'What runs goes on; nothing more begins.'),
      (error: unknown) => toast.bad(`Backfill ${id} did not change`, messageOf(error)),
    )
  return <IconButton icon={isPaused ? 'play' : 'pause'} label={label} busy={pause.isPending} onClick={change} />
}

function CancelButton({ backfill: { id, runs } }: { backfill: Backfill }) {
  const cancel = useCancelBackfill(id)
  const stop = () =>
    void cancel.mutateAsync(undefined).then(
      () => toast.good(`Backfill ${id} is cancelled`),
      (error: unknown) => toast.bad(`Backfill ${id} is not cancelled`, messageOf(error)),
    )
  return (
    <ConfirmButton
      compact
      danger
      label={`Cancel backfill ${id}`}
      confirm="End it"
      icon="stop"
      question={`Cancel backfill ${id}?`}
      consequence={consequence(runs)}
      busy={cancel.isPending}
      onConfirm={stop}
    />
  )
}

function consequence({ queued, running }: Backfill['runs']): string {
  const now = [
    queued > 0 && `${plural(queued, 'run')} that ${queued === 1 ? 'has' : 'have'} not begun will fail.`,
    running > 0 && `${plural(running, 'run')} under way will go on.`,
  ]
  return [...now, 'For the rest of the dates, make another backfill that runs again what failed.'].filter((sentence) => sentence !== false).join(' ')
}
