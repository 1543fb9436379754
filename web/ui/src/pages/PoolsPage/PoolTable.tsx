import { ActionIcon, Tooltip } from '@mantine/core'
import { useState } from 'react'
import { messageOf } from '../../api/errors'
import type { Pool } from '../../api/model'
import { DEFAULT_POOL, useDeletePool } from '../../api/queries/pools'
import { formatCount, plural } from '../../lib/numbers'
import { ConfirmButton } from '../../ui/ConfirmButton'
import { Icon } from '../../ui/Icon'
import { toast } from '../../ui/toast'
import { PoolDialog } from './PoolDialog'
import classes from './PoolsPage.module.css'
import { SlotBar } from './SlotBar'

export function PoolTable({ pools }: { pools: Pool[] }) {
  return (
    <div className={classes.sheet}>
      <table className={classes.table}>
        <thead>
          <tr>
            <th>Pool</th>
            <th className={classes.right}>Slots</th>
            <th>Used</th>
            <th className={classes.right}>Waiting</th>
            <th>
              <span className="visually-hidden">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {pools.map((pool) => (
            <Row key={pool.name} pool={pool} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

function Row({ pool }: { pool: Pool }) {
  return (
    <tr>
      <td className={classes.cellName}>
        <div className={classes.name}>{pool.name}</div>
        {pool.description !== null && <div className={classes.description}>{pool.description}</div>}
        {pool.include_deferred && <div className={classes.description}>Deferred tasks take slots, too.</div>}
      </td>
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
      <td className={classes.cellActions}>
        <EditButton pool={pool} />
        {pool.name !== DEFAULT_POOL && <DeleteButton pool={pool} />}
      </td>
    </tr>
  )
}

function EditButton({ pool }: { pool: Pool }) {
  const [open, setOpen] = useState(false)
  const label = `Edit ${pool.name}`
  return (
    <>
      <Tooltip label={label}>
        <ActionIcon size={32} aria-label={label} onClick={() => setOpen(true)}>
          <Icon name="pencil" size={15} />
        </ActionIcon>
      </Tooltip>
      <PoolDialog pool={pool} opened={open} onClose={() => setOpen(false)} />
    </>
  )
}

function DeleteButton({ pool }: { pool: Pool }) {
  const remove = useDeletePool()
  return (
    <ConfirmButton
      compact
      danger
      label={`Delete ${pool.name}`}
      confirm="Delete"
      icon="trash"
      question={`Delete the pool ${pool.name}?`}
      consequence={consequence(pool)}
      busy={remove.isPending}
      onConfirm={() =>
        // Not by callbacks of `mutate`: the list may be without this row before the answer is here.
        void remove.mutateAsync(pool.name).then(
          () => toast.good(`The pool ${pool.name} is deleted`),
          (error: unknown) => toast.bad('The pool was not deleted', messageOf(error)),
        )
      }
    />
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
