import { Link } from '@tanstack/react-router'
import { messageOf } from '../../api/errors'
import type { Asset, QueuedUpdate } from '../../api/model'
import { useForgetUpdate } from '../../api/queries/assets'
import { Time } from '../../components/Time'
import { paths } from '../../paths'
import { ConfirmButton } from '../../ui/ConfirmButton'
import { Icon } from '../../ui/Icon'
import { Panel } from '../../ui/Panel'
import { toast } from '../../ui/toast'
import classes from './AssetPage.module.css'

/** Who makes an asset, whom it starts, and who reads it. */
export function Users({ asset, queue }: { asset: Asset; queue: QueuedUpdate[] }) {
  return (
    <>
      <Panel flush title="Made by">
        <Tasks tasks={asset.producing_tasks} nobody="No task makes it. Its updates come from outside." />
      </Panel>
      <Panel flush title="Starts">
        {asset.scheduled_dags.length === 0 ? (
          <p className={classes.nobody}>No DAG waits for it.</p>
        ) : (
          <ul className={classes.list}>
            {asset.scheduled_dags.map(({ dag_id }) => (
              <Waiting key={dag_id} dagId={dag_id} asset={asset} queued={queue.find((each) => each.dag_id === dag_id)} />
            ))}
          </ul>
        )}
      </Panel>
      {asset.consuming_tasks.length > 0 && (
        <Panel flush title="Read by">
          <Tasks tasks={asset.consuming_tasks} nobody="" />
        </Panel>
      )}
    </>
  )
}

function Tasks({ tasks, nobody }: { tasks: Asset['producing_tasks']; nobody: string }) {
  if (tasks.length === 0) return <p className={classes.nobody}>{nobody}</p>
  return (
    <ul className={classes.list}>
      {tasks.map(({ dag_id, task_id }) => (
        <li key={`${dag_id} ${task_id}`}>
          <Link {...paths.dag(dag_id)}>{dag_id}</Link>
          <span className={classes.quiet}>{task_id}</span>
        </li>
      ))}
    </ul>
  )
}

/** A DAG that waits for the asset, and since when an update is queued for it. */
function Waiting({ dagId, asset, queued }: { dagId: string; asset: Asset; queued: QueuedUpdate | undefined }) {
  const forget = useForgetUpdate(asset.id)
  return (
    <li>
      <Link {...paths.dag(dagId)}>{dagId}</Link>
      {queued === undefined ? (
        <span className={classes.quiet}>waits for an update</span>
      ) : (
        <>
          <span className={classes.queued} data-tone="good">
            <Icon name="check" size={13} /> queued <Time at={queued.created_at} as="relative" />
          </span>
          <ConfirmButton
            compact
            label={`Forget the update for ${dagId}`}
            confirm="Forget it"
            icon="cross"
            question="Forget this update?"
            consequence={`${dagId} waits for another update of ${asset.name}, as if this one had not been.`}
            busy={forget.isPending}
            onConfirm={() =>
              void forget.mutateAsync(dagId).then(
                () => toast.good('The update is forgotten'),
                (error: unknown) => toast.bad('The update is not forgotten', messageOf(error)),
              )
            }
          />
        </>
      )}
    </li>
  )
}
