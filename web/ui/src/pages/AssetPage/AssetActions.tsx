import { useNavigate } from '@tanstack/react-router'
import { messageOf } from '../../api/errors'
import type { Asset } from '../../api/model'
import { useMaterialize, useRecordUpdate } from '../../api/queries/assets'
import { paths } from '../../paths'
import { ConfirmButton } from '../../ui/ConfirmButton'
import { RefusableButton } from '../../ui/RefusableButton'
import { toast } from '../../ui/toast'

/** What a person may do to an asset: have it made, or say that it was. */
export function AssetActions({ asset }: { asset: Asset }) {
  const materialize = useMaterialize(asset.id)
  const record = useRecordUpdate(asset.id)
  const navigate = useNavigate()
  const makers = [...new Set(asset.producing_tasks.map((task) => task.dag_id))]
  const [maker] = makers
  const make = () =>
    void materialize.mutateAsync().then(
      (run) => {
        toast.good(`${run.dag_id} makes ${asset.name}`)
        void navigate(paths.run(run.dag_id, run.dag_run_id))
      },
      (error: unknown) => toast.bad('It is not made', messageOf(error)),
    )
  const tell = () =>
    void record.mutateAsync().then(
      () => toast.good('The update is recorded'),
      (error: unknown) => toast.bad('The update is not recorded', messageOf(error)),
    )
  return (
    <>
      <ConfirmButton
        label="Record an update"
        confirm="Record it"
        icon="pencil"
        question={`Was ${asset.name} updated?`}
        consequence={
          asset.scheduled_dags.length === 0
            ? 'The update is listed here. No DAG waits for this asset.'
            : `DAGs that wait for it take it as new, and run when they wait for nothing else: ${asset.scheduled_dags.map((dag) => dag.dag_id).join(', ')}.`
        }
        busy={record.isPending}
        onConfirm={tell}
      />
      <RefusableButton icon="play" refusal={refusalOf(makers)} hint={`Runs ${maker}`} loading={materialize.isPending} onClick={make}>
        Materialize
      </RefusableButton>
    </>
  )
}

/** Why an asset cannot be made from here. */
function refusalOf(makers: string[]): string | undefined {
  if (makers.length === 0) return 'No task makes this asset'
  return makers.length === 1 ? undefined : `Several DAGs make it: ${makers.join(', ')}. Trigger one of them.`
}
