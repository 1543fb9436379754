import { messageOf } from '../../api/errors'
import type { Connection, ConnectionType } from '../../api/model'
import { useDeleteConnection, useTestConnection } from '../../api/queries/connections'
import { DeleteButton, EditButton } from '../../components/records/RecordButtons'
import { ActionsCell, NameCell } from '../../components/records/RecordCells'
import { IconButton } from '../../ui/IconButton'
import { ActionsHead, Table } from '../../ui/Table'
import { toast } from '../../ui/toast'
import { ConnectionDialog } from './ConnectionDialog'
import classes from './ConnectionsPage.module.css'

export function ConnectionTable({ connections, types }: { connections: Connection[]; types: ConnectionType[] }) {
  return (
    <Table
      className={classes.table}
      head={
        <>
          <th>Connection</th>
          <th>Type</th>
          <th className={classes.wide}>Host</th>
          <th className={classes.wide}>Login</th>
          <ActionsHead />
        </>
      }
    >
      {connections.map((connection) => (
        <Row key={connection.connection_id} connection={connection} type={types.find((type) => type.conn_type === connection.conn_type)} />
      ))}
    </Table>
  )
}

function Row({ connection, type }: { connection: Connection; type: ConnectionType | undefined }) {
  const { connection_id: id, description, host, port, schema, login } = connection
  const place = [host, port].filter((part) => part !== null).join(':')
  const remove = useDeleteConnection()
  return (
    <tr>
      <NameCell name={id} notes={[description]} />
      <td>{type?.label ?? connection.conn_type}</td>
      <td className={classes.wide}>
        {place}
        {schema !== null && <span className={classes.schema}> / {schema}</span>}
      </td>
      <td className={classes.wide}>{login}</td>
      <ActionsCell>
        {type?.can_test === true && <TestButton connection={connection} />}
        <EditButton name={id} dialog={(shown) => <ConnectionDialog connection={connection} {...shown} />} />
        <DeleteButton
          kind="connection"
          name={id}
          consequence="Its secrets are gone for good. Tasks that use it fail, until there is one of its id again."
          remove={remove}
        />
      </ActionsCell>
    </tr>
  )
}

function TestButton({ connection }: { connection: Connection }) {
  const test = useTestConnection()
  const { connection_id: id, conn_type } = connection
  const run = () =>
    test.mutate(
      { connection_id: id, conn_type },
      {
        onSuccess: ({ status, message }) => (status ? toast.good(`${id} works: ${message}`) : toast.bad(`${id} does not work`, message)),
        onError: (error) => toast.bad(`${id} was not tested`, messageOf(error)),
      },
    )
  return <IconButton icon="play" label={`Test ${id}`} busy={test.isPending} onClick={run} />
}
