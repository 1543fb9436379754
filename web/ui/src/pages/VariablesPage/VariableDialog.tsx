import { Textarea, TextInput } from '@mantine/core'
import { useState } from 'react'
import type { Variable } from '../../api/model'
import { useChangeVariable, useCreateVariable } from '../../api/queries/variables'
import { RecordDialog, type Shown } from '../../components/records/RecordDialog'
import { RecordForm } from '../../components/records/RecordForm'
import classes from './VariablesPage.module.css'

/** What stands where a secret is not shown; sent back, it leaves the secret as it is. */
const MASK = '***'

interface Props extends Shown {
  /** The variable to change; a new one is made when absent. */
  variable?: Variable
}

/** Asks for the name and the value of a variable. */
export function VariableDialog({ variable, ...shown }: Props) {
  return (
    <RecordDialog kind="variable" name={variable?.key} {...shown}>
      <VariableForm variable={variable} onDone={shown.onClose} />
    </RecordDialog>
  )
}

function VariableForm({ variable, onDone }: { variable?: Variable; onDone: () => void }) {
  const isHidden = variable?.value === MASK
  const [key, setKey] = useState(variable?.key ?? '')
  const [value, setValue] = useState(isHidden ? '' : (variable?.value ?? ''))
  const [description, setDescription] = useState(variable?.description ?? '')
  const [tried, setTried] = useState(false)
  const create = useCreateVariable()
  const change = useChangeVariable()
  const wrongKey = key.trim() === '' ? 'A variable needs a name' : undefined

  const read = () => {
    setTried(true)
    if (wrongKey !== undefined) return undefined
    const body = {
      key: key.trim(),
      value: isHidden && value === '' ? MASK : value,
      description: description === '' ? null : description,
    }
    return { name: body.key, body }
  }

  return (
    <RecordForm kind="variable" isNew={variable === undefined} create={create} change={change} read={read} onDone={onDone}>
      {variable === undefined && (
        <TextInput
          label="Name"
          value={key}
          onChange={(event) => setKey(event.currentTarget.value)}
          error={tried ? wrongKey : undefined}
          maxLength={250}
          spellCheck={false}
          data-autofocus
        />
      )}
      <Textarea
        label="Value"
        description={isHidden ? 'It is set, and not shown. Leave this empty to keep it.' : 'A text, or JSON'}
        value={value}
        onChange={(event) => setValue(event.currentTarget.value)}
        classNames={{ input: classes.code }}
        autosize
        minRows={2}
        maxRows={16}
        spellCheck={false}
        data-autofocus={variable !== undefined || undefined}
      />
      <TextInput label="Description" value={description} onChange={(event) => setDescription(event.currentTarget.value)} />
    </RecordForm>
  )
}
