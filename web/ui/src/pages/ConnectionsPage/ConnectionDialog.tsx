import { Button, Checkbox, Modal, Select, Textarea, TextInput } from '@mantine/core'
import { useSuspenseQuery } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import { messageOf } from '../../api/errors'
import type { Connection, ConnectionField, ConnectionType } from '../../api/model'
import { connectionTypesQuery, useChangeConnection, useCreateConnection, useTestConnection } from '../../api/queries/connections'
import { Icon } from '../../ui/Icon'
import { Notice } from '../../ui/Notice'
import { toast } from '../../ui/toast'
import classes from './ConnectionsPage.module.css'
import { bodyOf, draftOf, emptyDraft, faultsOf, fieldsOf, type Draft } from './draft'
import { SecretField } from './SecretField'

/** What a new connection is, until somebody says otherwise. */
const FIRST_TYPE = 'http'

interface Props {
  /** The connection to change; a new one is made when absent. */
  connection?: Connection
  opened: boolean
  onClose: () => void
}

/** Asks for what a connection of its type needs. */
export function ConnectionDialog({ connection, opened, onClose }: Props) {
  const title = connection === undefined ? 'New connection' : `Edit ${connection.connection_id}`
  return (
    <Modal opened={opened} onClose={onClose} size="lg" title={<b>{title}</b>} closeButtonProps={{ 'aria-label': 'Close' }}>
      <ConnectionForm connection={connection} onDone={onClose} />
    </Modal>
  )
}

function ConnectionForm({ connection, onDone }: { connection?: Connection; onDone: () => void }) {
  const { connection_types: types } = useSuspenseQuery(connectionTypesQuery).data
  const [draft, setDraft] = useState<Draft>(() =>
    connection === undefined ? emptyDraft(FIRST_TYPE) : draftOf(connection, fieldsOf(types, connection.conn_type)),
  )
  const [tried, setTried] = useState(false)
  const create = useCreateConnection()
  const change = useChangeConnection()
  const test = useTestConnection()
  const save = connection === undefined ? create : change
  const fields = fieldsOf(types, draft.type)
  const faults = faultsOf(draft)
  const end = useRef<HTMLElement>(null)
  // A long form is longer than the window, and what came of the test stands at its end.
  const isTold = test.isError || test.data !== undefined
  useEffect(() => {
    if (isTold) end.current?.scrollIntoView({ block: 'end' })
  }, [isTold])
  const canTest = types.find((type) => type.conn_type === draft.type)?.can_test ?? false

  const edit = (part: Partial<Draft>) => {
    setDraft({ ...draft, ...part })
    test.reset()
  }
  /** Hands on what is typed, if nothing is wrong with it. */
  const send = (to: (body: ReturnType<typeof bodyOf>) => void) => {
    setTried(true)
    if (Object.keys(faults).length === 0) to(bodyOf(draft, fields))
  }
  const submit = () =>
    send((body) =>
      save.mutate(body, {
        onSuccess: () => {
          toast.good(connection === undefined ? `The connection ${draft.id} is there` : `The connection ${draft.id} is changed`)
          onDone()
        },
      }),
    )

  return (
    <form
      noValidate
      className={classes.form}
      autoComplete="off"
      onSubmit={(event) => {
        event.preventDefault()
        submit()
      }}
    >
      {save.isError && (
        <Notice urgent tone="bad" icon="alert" title="The connection was not saved">
          {messageOf(save.error)}
        </Notice>
      )}
      <div className={classes.pair}>
        {connection === undefined && (
          <TextInput
            label="Connection id"
            placeholder="my_database"
            value={draft.id}
            onChange={(event) => edit({ id: event.currentTarget.value })}
            error={tried ? faults.id : undefined}
            maxLength={200}
            spellCheck={false}
            data-autofocus
          />
        )}
        <Select
          label="Type"
          data={choicesOf(types, draft.type)}
          value={draft.type}
          onChange={(type) => type !== null && edit({ type })}
          searchable
          allowDeselect={false}
          nothingFoundMessage="No such type; take Generic"
        />
      </div>
      {fields.map((field) => (
        <FormField
          key={`${draft.type}.${field.name}`}
          field={field}
          value={draft.values[field.name] ?? ''}
          error={tried && field.name === 'port' && !field.is_extra ? faults.port : undefined}
          onChange={(value) => edit({ values: { ...draft.values, [field.name]: value } })}
        />
      ))}
      <Textarea
        label="More (extra)"
        description="Whatever else this connection takes, as a JSON object."
        value={draft.more}
        onChange={(event) => edit({ more: event.currentTarget.value })}
        error={tried ? faults.more : undefined}
        classNames={{ input: classes.code }}
        placeholder="{}"
        autosize
        minRows={1}
        maxRows={10}
        spellCheck={false}
      />
      <TextInput label="Description" value={draft.description} onChange={(event) => edit({ description: event.currentTarget.value })} />
      <TestResult test={test} />
      <footer ref={end} className={classes.formActions}>
        {canTest && (
          <Button
            className={classes.test}
            variant="default"
            leftSection={<Icon name="play" size={13} />}
            loading={test.isPending}
            onClick={() => send((body) => test.mutate(body))}
          >
            Test
          </Button>
        )}
        <Button variant="default" onClick={onDone}>
          Cancel
        </Button>
        <Button type="submit" loading={save.isPending}>
          {connection === undefined ? 'Make the connection' : 'Save'}
        </Button>
      </footer>
    </form>
  )
}

function TestResult({ test }: { test: ReturnType<typeof useTestConnection> }) {
  if (test.isError) {
    return (
      <Notice urgent tone="bad" icon="alert" title="The connection was not tested">
        {messageOf(test.error)}
      </Notice>
    )
  }
  if (test.data === undefined) return null
  return test.data.status ? (
    <Notice urgent tone="good" icon="check" title="The connection works">
      {test.data.message}
    </Notice>
  ) : (
    <Notice urgent tone="bad" icon="alert" title="The connection does not work">
      {test.data.message}
    </Notice>
  )
}

function choicesOf(types: ConnectionType[], type: string) {
  const known = types.map(({ conn_type: value, label }) => ({ value, label }))
  return known.some((choice) => choice.value === type) ? known : [...known, { value: type, label: type }]
}

interface FieldProps {
  field: ConnectionField
  value: string | boolean
  error?: string
  onChange: (value: string | boolean) => void
}

function FormField({ field, value, error, onChange }: FieldProps) {
  const { label, kind } = field
  const description = field.help === '' ? undefined : field.help
  const placeholder = field.placeholder === '' ? undefined : field.placeholder
  const text = typeof value === 'string' ? value : ''
  if (kind === 'flag') {
    return (
      <Checkbox label={label} description={description} checked={value === true} onChange={(event) => onChange(event.currentTarget.checked)} />
    )
  }
  if (kind === 'secret') {
    return <SecretField label={label} description={description} placeholder={placeholder} value={text} onChange={onChange} />
  }
  if (kind === 'choice') {
    const choices = field.choices.includes(text) || text === '' ? field.choices : [...field.choices, text]
    return <Select label={label} description={description} data={choices} value={text || null} onChange={(choice) => onChange(choice ?? '')} clearable />
  }
  return (
    <TextInput
      label={label}
      description={description}
      placeholder={placeholder}
      value={text}
      onChange={(event) => onChange(event.currentTarget.value)}
      error={error}
      inputMode={kind === 'number' ? 'numeric' : undefined}
      spellCheck={false}
      autoComplete="off"
    />
  )
}
