import { Button } from '@mantine/core'
import { useSuspenseQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { poolsQuery } from '../../api/queries/pools'
import { PageHead } from '../../components/PageHead'
import { Icon } from '../../ui/Icon'
import { PoolDialog } from './PoolDialog'
import { PoolTable } from './PoolTable'

export function PoolsPage() {
  const { pools } = useSuspenseQuery(poolsQuery).data
  const [making, setMaking] = useState(false)
  return (
    <>
      <PageHead
        documentTitle="Pools"
        title="Pools"
        description="A task takes slots of its pool while it runs. When none are free, it waits, and the heaviest of those that wait goes first."
        actions={
          <Button leftSection={<Icon name="plus" size={14} />} onClick={() => setMaking(true)}>
            New pool
          </Button>
        }
      />
      <PoolTable pools={pools} />
      <PoolDialog opened={making} onClose={() => setMaking(false)} />
    </>
  )
}
