import { Button, Modal, Textarea, TextInput } from '@mantine/core'
import { useState } from 'react'
import { messageOf } from '../../api/errors'
import type { Variable } from '../../api/model'
import { useChangeVariable, useCreateVariable } from '../../api/queries/variables'
import { Notice } from '../../ui/Notice'
import { toast } from '../../ui/toast'
import classes from './VariablesPage.module.css'

/** What stands where a secret is not shown; sent back, it leaves the secret as it is. */
const MASK = '***'

interface Props {
  /** The variable to change; a new one is made when absent. */
  variable?: Variable
  opened: boolean
  onClose: () => void
}

/** Asks for the name and the value of a variable. */
export function VariableDialog({ variable, opened, onClose }: Props) {
  const title = variable === undefined ? 'New variable' : `Edit ${variable.key}`
  return (
    <Modal opened={opened} onClose={onClose} size="lg" title={<b>{title}</b>} closeButtonProps={{ 'aria-label': 'Close' }}>
      <VariableForm variable={variable} onDone={onClose} />
    </Modal>
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
  const save = variable === undefined ? create : change
  const wrongKey = key.trim() === '' ? 'A variable needs a name' : undefined

  const submit = () => {
    setTried(true)
    if (wrongKey !== undefined) return
    const body = {
      key: key.trim(),
      value: isHidden && value === '' ? MASK : value,
      description: description === '' ? null : description,
    }
    save.mutate(body, {
      onSuccess: () => {
        toast.good(variable === undefined ? `The variable ${body.key} is there` : `The variable ${body.key} is changed`)
        onDone()
      },
    })
  }

  return (
    <form
      noValidate
      className={classes.form}
      onSubmit={(event) => {
        event.preventDefault()
        submit()
      }}
    >
      {save.isError && (
        <Notice urgent tone="bad" icon="alert" title="The variable was not saved">
          {messageOf(save.error)}
        </Notice>
      )}
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
      <footer className={classes.formActions}>
        <Button variant="default" onClick={onDone}>
          Cancel
        </Button>
        <Button type="submit" loading={save.isPending}>
          {variable === undefined ? 'Make the variable' : 'Save'}
        </Button>
      </footer>
    </form>
  )
}
