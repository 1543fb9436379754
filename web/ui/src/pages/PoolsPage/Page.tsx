import { useSuspenseQuery } from '@tanstack/react-query'
import { poolsQuery } from '../../api/queries/pools'
import { PageHead } from '../../components/PageHead'
import { NewButton } from '../../components/records/RecordButtons'
import { Panel } from '../../ui/Panel'
import { PoolDialog } from './PoolDialog'
import { PoolTable } from './PoolTable'

export function PoolsPage() {
  const { pools } = useSuspenseQuery(poolsQuery).data
  return (
    <>
      <PageHead
        documentTitle="Pools"
        title="Pools"
        description="A task takes slots of its pool while it runs. When none are free, it waits, and the heaviest of those that wait goes first."
        actions={<NewButton kind="pool" dialog={(shown) => <PoolDialog {...shown} />} />}
      />
      <Panel flush>
        <PoolTable pools={pools} />
      </Panel>
    </>
  )
}
