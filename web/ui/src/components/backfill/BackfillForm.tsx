import { Button, Checkbox, NumberInput, Radio, Textarea, TextInput } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { messageOf } from '../../api/errors'
import type { BackfillBody } from '../../api/model'
import { backfillPreview, useCreateBackfill } from '../../api/queries/backfills'
import { plural } from '../../lib/numbers'
import { DialogButtons, Form } from '../../ui/Form'
import { Notice } from '../../ui/Notice'
import { toast } from '../../ui/toast'
import { Refusal } from '../Refusal'
import classes from './Backfill.module.css'
import { freshDraft, readDraft, type Draft, type Reprocess } from './draft'
import { PlannedRuns } from './PlannedRuns'

interface Props {
  dagId: string
  isPaused: boolean
  /** The DAG's time zone: dates are typed in it. */
  zone: string
  /** Whether runs that run again keep their version unless somebody says otherwise. */
  keepsVersion: boolean
  onDone: () => void
}

const BEHAVIOURS: { value: Reprocess; label: string; meaning: string }[] = [
  { value: 'none', label: 'Leave them', meaning: 'only dates without a run get one' },
  { value: 'failed', label: 'Run again what failed', meaning: 'and leave what succeeded' },
  { value: 'completed', label: 'Run all of them again', meaning: 'except those that are queued or running' },
]

/** While somebody types, the server is not asked for each letter. */
const PAUSE_MS = 250

/** Asks for what a backfill is made of, and shows by a dry run which dates it would run. */
export function BackfillForm({ dagId, isPaused, zone, keepsVersion, onDone }: Props) {
  const [draft, setDraft] = useState(() => freshDraft(Date.now(), zone))
  const reading = readDraft(draft, dagId, zone)
  const problems = 'problems' in reading ? reading.problems : {}
  const body = 'body' in reading ? reading.body : undefined
  const { dates, error, settled } = usePlan(body)
  const create = useCreateBackfill()
  const change = (of: Partial<Draft>) => setDraft((before) => ({ ...before, ...of }))
  const count = body === undefined ? 0 : (dates?.length ?? 0)

  const submit = () => {
    if (body === undefined || !settled || count === 0 || create.isPending) return
    create.mutate(body, {
      onSuccess: () => {
        toast.good(`${plural(count, 'run')} of ${dagId} to be made up for`, isPaused ? 'They begin once the DAG is unpaused.' : undefined)
        onDone()
      },
    })
  }

  return (
    <Form onSubmit={submit}>
      <Refusal title="The backfill was not made" error={create.error} />
      {isPaused && (
        <Notice tone="notice" icon="pause" title="This DAG is paused">
          Runs stay queued until the DAG is unpaused.
        </Notice>
      )}
      <div className={classes.fields}>
        <TextInput
          type="datetime-local"
          label="First date"
          description={`Logical date in the DAG's time zone, ${zone}`}
          value={draft.from}
          onChange={(event) => change({ from: event.currentTarget.value })}
          error={problems.from}
          data-autofocus
        />
        <TextInput
          type="datetime-local"
          label="Last date"
          description="Included, if its time is over by now"
          value={draft.to}
          onChange={(event) => change({ to: event.currentTarget.value })}
          error={problems.to}
        />
      </div>
      <Radio.Group
        label="Dates that have a run already"
        value={draft.reprocess}
        onChange={(value) => change({ reprocess: BEHAVIOURS.find((each) => each.value === value)?.value })}
      >
        <div className={classes.choices}>
          {BEHAVIOURS.map(({ value, label, meaning }) => (
            <Radio key={value} size="sm" value={value} label={label} description={meaning} />
          ))}
        </div>
      </Radio.Group>
      <div className={classes.fields}>
        <NumberInput
          label="Runs at the same time"
          description="At most; apart from the DAG's own limit"
          value={draft.maxActiveRuns}
          onChange={(maxActiveRuns) => change({ maxActiveRuns })}
          error={problems.maxActiveRuns}
          min={1}
          max={10_000}
          allowDecimal={false}
          allowNegative={false}
        />
        <div className={classes.checks}>
          <Checkbox size="sm" label="Newest date first" checked={draft.newestFirst} onChange={(event) => change({ newestFirst: event.currentTarget.checked })} />
          <Checkbox
            size="sm"
            label="Runs keep their version"
            description="of the DAG file, if they run again"
            disabled={draft.reprocess === 'none'}
            checked={draft.keepVersion ?? keepsVersion}
            onChange={(event) => change({ keepVersion: event.currentTarget.checked })}
          />
        </div>
      </div>
      <details className={classes.more}>
        <summary>Conf</summary>
        <Textarea
          aria-label="Conf as JSON"
          description="Passed to every run, as when the DAG is triggered"
          placeholder="{}"
          value={draft.conf}
          onChange={(event) => change({ conf: event.currentTarget.value })}
          error={problems.conf}
          autosize
          minRows={2}
          maxRows={12}
          spellCheck={false}
          styles={{ input: { fontFamily: 'var(--mono)', fontSize: 12.5 } }}
        />
      </details>
      {body !== undefined && <PlannedRuns dates={dates} zone={zone} stale={!settled} refusal={error === null ? undefined : messageOf(error)} />}
      <DialogButtons sticky>
        <Button variant="default" onClick={onDone}>
          Cancel
        </Button>
        <Button type="submit" disabled={!settled || count === 0} loading={create.isPending}>
          {count === 0 ? 'Run' : `Run ${plural(count, 'date')}`}
        </Button>
      </DialogButtons>
    </Form>
  )
}

/** The dates that would be run. A click must not meet a list that is not the one on the screen: then it is not settled. */
function usePlan(body: BackfillBody | undefined) {
  const asked = JSON.stringify(body)
  const [paused] = useDebouncedValue(asked, PAUSE_MS)
  const known = paused === undefined ? undefined : (JSON.parse(paused) as BackfillBody)
  const plan = useQuery({ ...backfillPreview(known ?? NOTHING), enabled: known !== undefined })
  const settled = asked !== undefined && asked === paused && plan.isSuccess && !plan.isPlaceholderData
  return { dates: plan.data, error: plan.error, settled }
}

const NOTHING: BackfillBody = { dag_id: null, from_date: null, to_date: null }
