import type { Pool } from '../../api/model'
import { DEFAULT_POOL, useDeletePool } from '../../api/queries/pools'
import { DeleteButton, EditButton } from '../../components/records/RecordButtons'
import { ActionsCell, NameCell } from '../../components/records/RecordCells'
import { formatCount, plural } from '../../lib/numbers'
import { Icon } from '../../ui/Icon'
import { ActionsHead, Table } from '../../ui/Table'
import { PoolDialog } from './PoolDialog'
import classes from './PoolsPage.module.css'
import { SlotBar } from './SlotBar'

export function PoolTable({ pools }: { pools: Pool[] }) {
  return (
    <Table
      className={classes.table}
      head={
        <>
          <th>Pool</th>
          <th className={classes.right}>Slots</th>
          <th>Used</th>
          <th className={classes.right}>Waiting</th>
          <ActionsHead />
        </>
      }
    >
      {pools.map((pool) => (
        <Row key={pool.name} pool={pool} />
      ))}
    </Table>
  )
}

function Row({ pool }: { pool: Pool }) {
  const remove = useDeletePool()
  return (
    <tr>
      <NameCell name={pool.name} notes={[pool.description, pool.include_deferred && 'Deferred tasks take slots, too.']} />
      <td className={classes.right}>{pool.slots < 0 ? 'No limit' : formatCount(pool.slots)}</td>
      <td className={classes.cellBar}>
        <SlotBar pool={pool} />
      </td>
      <td className={classes.right}>
        {pool.scheduled_slots === 0 ? (
          <span className={classes.none}>–</span>
        ) : (
          <span className={classes.waiting} data-tone="notice">
            <Icon name="clock" size={13} /> {formatCount(pool.scheduled_slots)}
          </span>
        )}
      </td>
      <ActionsCell>
        <EditButton name={pool.name} dialog={(shown) => <PoolDialog pool={pool} {...shown} />} />
        {pool.name !== DEFAULT_POOL && <DeleteButton kind="pool" name={pool.name} consequence={consequence(pool)} remove={remove} />}
      </ActionsCell>
    </tr>
  )
}

function consequence(pool: Pool): string {
  const running = pool.running_slots + pool.queued_slots
  const now = [
    running > 0 && `What runs in ${plural(running, 'slot')} of it goes on.`,
    pool.scheduled_slots > 0 && `Tasks that wait for ${plural(pool.scheduled_slots, 'slot')} will not start.`,
  ]
  return [...now, 'Tasks that name this pool do not start any more, until there is one of its name again.']
    .filter((sentence) => sentence !== false)
    .join(' ')
}
