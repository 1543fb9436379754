import { Autocomplete, Select, Switch, Textarea, TextInput } from '@mantine/core'
import { Prose } from '../../ui/Prose'
import { choicesOf, type Draft, type Param } from './params'
import classes from './TriggerForm.module.css'

interface Props {
  param: Param
  draft: Draft
  problem: string | undefined
  onChange: (draft: Draft) => void
}

/** The field that fits the param's schema. */
export function ParamField({ param, draft, problem, onChange }: Props) {
  const description = param.description === null ? null : <Prose text={param.description} />
  const frame = {
    label: <Label param={param} />,
    description,
    error: problem,
    required: !param.nullable,
    withAsterisk: false,
  }
  const shown = String(draft)
  switch (param.kind) {
    case 'boolean':
      return (
        <Switch
          label={<Label param={param} />}
          description={description}
          checked={draft === true}
          onChange={(event) => onChange(event.currentTarget.checked)}
        />
      )
    case 'choice':
      return (
        <Select
          {...frame}
          data={choicesOf(param)}
          value={shown === '' ? null : shown}
          onChange={(value) => onChange(value ?? '')}
          allowDeselect={param.nullable}
          clearable={param.nullable}
        />
      )
    case 'const':
      return <TextInput {...frame} value={typeof param.schema.const === 'string' ? param.schema.const : shown} readOnly variant="filled" />
    case 'json':
    case 'long text':
      return (
        <Textarea
          {...frame}
          value={shown}
          onChange={(event) => onChange(event.currentTarget.value)}
          autosize
          minRows={2}
          maxRows={12}
          spellCheck={false}
          styles={param.kind === 'json' ? { input: { fontFamily: 'var(--mono)', fontSize: 12.5 } } : undefined}
        />
      )
    case 'text': {
      const examples = (param.schema.examples ?? []).filter((each) => typeof each === 'string')
      if (examples.length > 0) return <Autocomplete {...frame} data={examples} value={shown} onChange={onChange} />
      return <TextInput {...frame} value={shown} onChange={(event) => onChange(event.currentTarget.value)} spellCheck={false} />
    }
    case 'date':
      return <TextInput {...frame} type="date" value={shown} onChange={(event) => onChange(event.currentTarget.value)} />
    case 'integer':
    case 'number':
      // A text field: a number field would swallow what is mistyped instead of saying so.
      return (
        <TextInput
          {...frame}
          inputMode={param.kind === 'integer' ? 'numeric' : 'decimal'}
          value={shown}
          onChange={(event) => onChange(event.currentTarget.value)}
        />
      )
  }
}

/** The title, and the param's own name where the title hides it. */
function Label({ param }: { param: Param }) {
  if (param.title === param.name) return param.name
  return (
    <>
      {param.title}
      <code className={classes.name}>{param.name}</code>
    </>
  )
}
