import { Button, Checkbox, Select, Textarea, TextInput } from '@mantine/core'
import { useSuspenseQuery } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import type { Connection, ConnectionField, ConnectionType } from '../../api/model'
import { connectionTypesQuery, useChangeConnection, useCreateConnection, useTestConnection } from '../../api/queries/connections'
import { RecordDialog, type Shown } from '../../components/records/RecordDialog'
import { RecordForm } from '../../components/records/RecordForm'
import { Refusal } from '../../components/Refusal'
import { Icon } from '../../ui/Icon'
import { Notice } from '../../ui/Notice'
import classes from './ConnectionsPage.module.css'
import { bodyOf, draftOf, emptyDraft, faultsOf, fieldsOf, type Draft } from './draft'
import { SecretField } from './SecretField'

/** What a new connection is, until somebody says otherwise. */
const FIRST_TYPE = 'http'

interface Props extends Shown {
  /** The connection to change; a new one is made when absent. */
  connection?: Connection
}

/** Asks for what a connection of its type needs. */
export function ConnectionDialog({ connection, ...shown }: Props) {
  return (
    <RecordDialog kind="connection" name={connection?.connection_id} {...shown}>
      <ConnectionForm connection={connection} onDone={shown.onClose} />
    </RecordDialog>
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
  const fields = fieldsOf(types, draft.type)
  const faults = faultsOf(draft, fields)
  const told = useRef<HTMLDivElement>(null)
  // A long form is longer than the window, and what came of the test stands near its end.
  const isTold = test.isError || test.data !== undefined
  useEffect(() => {
    if (isTold) told.current?.scrollIntoView({ block: 'center' })
  }, [isTold])
  const canTest = types.find((type) => type.conn_type === draft.type)?.can_test ?? false

  const edit = (part: Partial<Draft>) => {
    setDraft({ ...draft, ...part })
    test.reset()
  }
  const read = () => {
    setTried(true)
    return Object.keys(faults).length === 0 ? { name: draft.id, body: bodyOf(draft, fields) } : undefined
  }
  const tryOut = () => {
    const given = read()
    if (given !== undefined) test.mutate(given.body)
  }

  return (
    <RecordForm
      kind="connection"
      isNew={connection === undefined}
      create={create}
      change={change}
      read={read}
      onDone={onDone}
      aside={
        canTest && (
          <Button className={classes.test} variant="default" leftSection={<Icon name="play" size={13} />} loading={test.isPending} onClick={tryOut}>
            Test
          </Button>
        )
      }
    >
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
      {isTold && (
        <div ref={told}>
          <TestResult test={test} />
        </div>
      )}
    </RecordForm>
  )
}

function TestResult({ test }: { test: ReturnType<typeof useTestConnection> }) {
  if (test.isError) return <Refusal title="The connection was not tested" error={test.error} />
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
