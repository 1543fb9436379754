import { ActionIcon, Tooltip } from '@mantine/core'
import { useState } from 'react'
import { messageOf } from '../../api/errors'
import type { Variable } from '../../api/model'
import { useDeleteVariable } from '../../api/queries/variables'
import { ConfirmButton } from '../../ui/ConfirmButton'
import { Icon } from '../../ui/Icon'
import { toast } from '../../ui/toast'
import { VariableDialog } from './VariableDialog'
import classes from './VariablesPage.module.css'

export function VariableTable({ variables }: { variables: Variable[] }) {
  return (
    <div className={classes.scroll}>
      <table className={classes.table}>
        <thead>
          <tr>
            <th>Variable</th>
            <th>Value</th>
            <th>
              <span className="visually-hidden">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {variables.map((variable) => (
            <tr key={variable.key}>
              <td className={classes.cellName}>
                <div className={classes.name}>{variable.key}</div>
                {variable.description !== null && <div className={classes.description}>{variable.description}</div>}
              </td>
              <td>
                <code className={classes.value}>{variable.value}</code>
              </td>
              <td className={classes.cellActions}>
                <EditButton variable={variable} />
                <DeleteButton name={variable.key} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function EditButton({ variable }: { variable: Variable }) {
  const [open, setOpen] = useState(false)
  const label = `Edit ${variable.key}`
  return (
    <>
      <Tooltip label={label}>
        <ActionIcon size={32} aria-label={label} onClick={() => setOpen(true)}>
          <Icon name="pencil" size={15} />
        </ActionIcon>
      </Tooltip>
      <VariableDialog variable={variable} opened={open} onClose={() => setOpen(false)} />
    </>
  )
}

function DeleteButton({ name }: { name: string }) {
  const remove = useDeleteVariable()
  return (
    <ConfirmButton
      compact
      danger
      label={`Delete ${name}`}
      confirm="Delete"
      icon="trash"
      question={`Delete the variable ${name}?`}
      consequence="Its value is gone for good. Tasks that use it fail, until there is one of its name again."
      busy={remove.isPending}
      onConfirm={() =>
        // Not by callbacks of `mutate`: the list may be without this row before the answer is here.
        void remove.mutateAsync(name).then(
          () => toast.good(`The variable ${name} is deleted`),
          (error: unknown) => toast.bad('The variable was not deleted', messageOf(error)),
        )
      }
    />
  )
}
