import type { Variable } from '../../api/model'
import { useDeleteVariable } from '../../api/queries/variables'
import { DeleteButton, EditButton } from '../../components/records/RecordButtons'
import { ActionsCell, NameCell } from '../../components/records/RecordCells'
import { ActionsHead, Table } from '../../ui/Table'
import { VariableDialog } from './VariableDialog'
import classes from './VariablesPage.module.css'

export function VariableTable({ variables }: { variables: Variable[] }) {
  return (
    <Table
      className={classes.table}
      head={
        <>
          <th>Variable</th>
          <th>Value</th>
          <ActionsHead />
        </>
      }
    >
      {variables.map((variable) => (
        <Row key={variable.key} variable={variable} />
      ))}
    </Table>
  )
}

function Row({ variable }: { variable: Variable }) {
  const { key: name, value, description } = variable
  const remove = useDeleteVariable()
  return (
    <tr>
      <NameCell name={name} notes={[description]} />
      <td>
        <code className={classes.value}>{value}</code>
      </td>
      <ActionsCell>
        <EditButton name={name} dialog={(shown) => <VariableDialog variable={variable} {...shown} />} />
        <DeleteButton
          kind="variable"
          name={name}
          consequence="Its value is gone for good. Tasks that use it fail, until there is one of its name again."
          remove={remove}
        />
      </ActionsCell>
    </tr>
  )
}
