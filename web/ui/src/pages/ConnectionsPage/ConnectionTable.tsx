import { ActionIcon, Tooltip } from '@mantine/core'
import { useState } from 'react'
import { messageOf } from '../../api/errors'
import type { Connection, ConnectionType } from '../../api/model'
import { useDeleteConnection, useTestConnection } from '../../api/queries/connections'
import { ConfirmButton } from '../../ui/ConfirmButton'
import { Icon } from '../../ui/Icon'
import { toast } from '../../ui/toast'
import { ConnectionDialog } from './ConnectionDialog'
import classes from './ConnectionsPage.module.css'

export function ConnectionTable({ connections, types }: { connections: Connection[]; types: ConnectionType[] }) {
  return (
    <div className={classes.scroll}>
      <table className={classes.table}>
        <thead>
          <tr>
            <th>Connection</th>
            <th>Type</th>
            <th className={classes.wide}>Host</th>
            <th className={classes.wide}>Login</th>
            <th>
              <span className="visually-hidden">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {connections.map((connection) => (
            <Row key={connection.connection_id} connection={connection} type={types.find((type) => type.conn_type === connection.conn_type)} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

function Row({ connection, type }: { connection: Connection; type: ConnectionType | undefined }) {
  const { connection_id: id, description, host, port, schema, login } = connection
  const place = [host, port].filter((part) => part !== null).join(':')
  return (
    <tr>
      <td className={classes.cellName}>
        <div className={classes.name}>{id}</div>
        {description !== null && <div className={classes.description}>{description}</div>}
      </td>
      <td>{type?.label ?? connection.conn_type}</td>
      <td className={classes.wide}>
        {place}
        {schema !== null && <span className={classes.schema}> / {schema}</span>}
      </td>
      <td className={classes.wide}>{login}</td>
      <td className={classes.cellActions}>
        {type?.can_test === true && <TestButton connection={connection} />}
        <EditButton connection={connection} />
        <DeleteButton id={id} />
      </td>
    </tr>
  )
}

function TestButton({ connection }: { connection: Connection }) {
  const test = useTestConnection()
  const { connection_id: id, conn_type } = connection
  const label = `Test ${id}`
  const run = () =>
    test.mutate(
      { connection_id: id, conn_type },
      {
        onSuccess: ({ status, message }) => (status ? toast.good(`${id} works: ${message}`) : toast.bad(`${id} does not work`, message)),
        onError: (error) => toast.bad(`${id} was not tested`, messageOf(error)),
      },
    )
  return (
    <Tooltip label={label}>
      <ActionIcon size={32} aria-label={label} loading={test.isPending} onClick={run}>
        <Icon name="play" size={15} />
      </ActionIcon>
    </Tooltip>
  )
}

function EditButton({ connection }: { connection: Connection }) {
  const [open, setOpen] = useState(false)
  const label = `Edit ${connection.connection_id}`
  return (
    <>
      <Tooltip label={label}>
        <ActionIcon size={32} aria-label={label} onClick={() => setOpen(true)}>
          <Icon name="pencil" size={15} />
        </ActionIcon>
      </Tooltip>
      <ConnectionDialog connection={connection} opened={open} onClose={() => setOpen(false)} />
    </>
  )
}

function DeleteButton({ id }: { id: string }) {
  const remove = useDeleteConnection()
  return (
    <ConfirmButton
      compact
      danger
      label={`Delete ${id}`}
      confirm="Delete"
      icon="trash"
      question={`Delete the connection ${id}?`}
      consequence="Its secrets are gone for good. Tasks that use it fail, until there is one of its id again."
      busy={remove.isPending}
      onConfirm={() =>
        // Not by callbacks of `mutate`: the list may be without this row before the answer is here.
        void remove.mutateAsync(id).then(
          () => toast.good(`The connection ${id} is deleted`),
          (error: unknown) => toast.bad('The connection was not deleted', messageOf(error)),
        )
      }
    />
  )
}
