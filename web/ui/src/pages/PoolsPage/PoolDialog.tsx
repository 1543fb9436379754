import { Checkbox, NumberInput, Textarea, TextInput } from '@mantine/core'
import { useState } from 'react'
import type { Pool } from '../../api/model'
import { DEFAULT_POOL, useChangePool, useCreatePool } from '../../api/queries/pools'
import { RecordDialog, type Shown } from '../../components/records/RecordDialog'
import { RecordForm } from '../../components/records/RecordForm'
import classes from './PoolsPage.module.css'

interface Props extends Shown {
  /** The pool to change; a new one is made when absent. */
  pool?: Pool
}

/** Asks for what a pool is made of. */
export function PoolDialog({ pool, ...shown }: Props) {
  return (
    <RecordDialog kind="pool" name={pool?.name} size="md" {...shown}>
      <PoolForm pool={pool} onDone={shown.onClose} />
    </RecordDialog>
  )
}

function PoolForm({ pool, onDone }: { pool?: Pool; onDone: () => void }) {
  const [name, setName] = useState(pool?.name ?? '')
  const [slots, setSlots] = useState<number | string>(pool === undefined || pool.slots < 0 ? 4 : pool.slots)
  const [endless, setEndless] = useState(pool !== undefined && pool.slots < 0)
  const [description, setDescription] = useState(pool?.description ?? '')
  const [includeDeferred, setIncludeDeferred] = useState(pool?.include_deferred ?? false)
  const [tried, setTried] = useState(false)
  const create = useCreatePool()
  const change = useChangePool()
  const wrongName = name.trim() === '' ? 'A pool needs a name' : undefined
  const wrongSlots = !endless && typeof slots !== 'number' ? 'A whole number from 0' : undefined

  const read = () => {
    setTried(true)
    if (wrongName !== undefined || wrongSlots !== undefined) return undefined
    const body = {
      name: name.trim(),
      slots: endless ? -1 : Number(slots),
      description: description === '' ? null : description,
      include_deferred: includeDeferred,
    }
    return { name: body.name, body }
  }

  return (
    <RecordForm kind="pool" isNew={pool === undefined} create={create} change={change} read={read} onDone={onDone}>
      {pool === undefined && (
        <TextInput
          label="Name"
          description="What tasks say after pool: in their DAG files"
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          error={tried ? wrongName : undefined}
          maxLength={256}
          spellCheck={false}
          data-autofocus
        />
      )}
      <div className={classes.slotFields}>
        <NumberInput
          label="Slots"
          value={endless ? '' : slots}
          onChange={setSlots}
          disabled={endless}
          placeholder={endless ? 'No limit' : undefined}
          error={tried ? wrongSlots : undefined}
          min={0}
          max={2_147_483_647}
          allowDecimal={false}
          allowNegative={false}
          data-autofocus={pool !== undefined || undefined}
        />
        <Checkbox label="No limit" checked={endless} onChange={(event) => setEndless(event.currentTarget.checked)} />
      </div>
      <Checkbox
        label="Deferred tasks take slots, too"
        checked={includeDeferred}
        onChange={(event) => setIncludeDeferred(event.currentTarget.checked)}
      />
      {pool?.name !== DEFAULT_POOL && (
        <Textarea
          label="Description"
          value={description}
          onChange={(event) => setDescription(event.currentTarget.value)}
          autosize
          minRows={2}
        />
      )}
    </RecordForm>
  )
}
