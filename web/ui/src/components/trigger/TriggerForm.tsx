import { Button, SegmentedControl, Textarea, TextInput } from '@mantine/core'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { messageOf } from '../../api/errors'
import type { TriggerBody } from '../../api/model'
import { usePauseDag } from '../../api/queries/dags'
import { useTriggerRun } from '../../api/queries/runs'
import { instantFromWallClock } from '../../lib/dates'
import { paths } from '../../paths'
import { DialogButtons, Form } from '../../ui/Form'
import { Icon } from '../../ui/Icon'
import { Notice } from '../../ui/Notice'
import { toast } from '../../ui/toast'
import { Refusal } from '../Refusal'
import { ParamField } from './ParamField'
import { readConf, type Param } from './params'
import classes from './TriggerForm.module.css'
import { useConfForm } from './useConfForm'

interface Props {
  dagId: string
  isPaused: boolean
  /** The DAG's time zone: logical dates are typed in it. */
  zone: string
  /** Its runs are about partitions, which go by a key. */
  isPartitioned: boolean
  params: Param[]
  conf: Record<string, unknown> | null
  onDone: () => void
}

export function TriggerForm({ dagId, isPaused, zone, isPartitioned, params, conf, onDone }: Props) {
  const form = useConfForm(params, conf)
  const [more, setMore] = useState({ partition: '', logicalDate: '', runId: '', note: '' })
  const [refused, setRefused] = useState<unknown>(null)
  const trigger = useTriggerRun(dagId)
  const pause = usePauseDag(dagId)
  const navigate = useNavigate()
  const busy = trigger.isPending || pause.isPending

  const submit = async (unpause: boolean) => {
    const given = form.read()
    if (given === undefined) return
    const body: TriggerBody = {
      conf: given,
      // A run of a partition has no date, unless one is asked for.
      logical_date: instantFromWallClock(more.logicalDate, zone) ?? (more.partition === '' ? new Date().toISOString() : null),
      partition_key: more.partition === '' ? null : more.partition,
      dag_run_id: more.runId === '' ? null : more.runId,
      note: more.note === '' ? null : more.note,
    }
    setRefused(null)
    try {
      const run = await trigger.mutateAsync(body)
      toast.good(`${dagId} is triggered`, run.dag_run_id)
      // Only then: a run that is refused must not leave behind a DAG that runs on its schedule.
      if (unpause) await pause.mutateAsync(false).catch((error: unknown) => toast.bad(`${dagId} is still paused`, messageOf(error)))
      onDone()
      await navigate(paths.run(dagId, run.dag_run_id))
    } catch (error) {
      setRefused(error)
    }
  }

  return (
    <Form className={classes.form} onSubmit={() => void submit(isPaused)}>
      <div className={classes.notices}>
        <Refusal title="The run was not created" error={refused} />
        {isPaused && (
          <Notice tone="notice" icon="pause" title="This DAG is paused">
            A run that is triggered now stays queued until the DAG is unpaused.
          </Notice>
        )}
      </div>

      {isPartitioned && (
        <TextInput
          label="Partition"
          description="The key of the part of the data that the run is about. Empty: a run about none"
          value={more.partition}
          onChange={(event) => setMore({ ...more, partition: event.currentTarget.value })}
          spellCheck={false}
        />
      )}

      <div className={classes.head}>
        <h3 className={classes.title}>Conf</h3>
        {params.length > 0 && (
          <SegmentedControl
            size="xs"
            aria-label="How to give the conf"
            value={form.mode}
            onChange={(mode) => form.setMode(mode === 'json' ? 'json' : 'form')}
            data={[
              { value: 'form', label: 'Form' },
              { value: 'json', label: 'JSON' },
            ]}
          />
        )}
      </div>
      {form.mode === 'form' ? (
        params.map((param) => (
          <ParamField
            key={param.name}
            param={param}
            draft={form.drafts[param.name] ?? ''}
            problem={form.problems[param.name]}
            onChange={(draft) => form.setDraft(param.name, draft)}
          />
        ))
      ) : (
        <Textarea
          aria-label="Conf as JSON"
          description={params.length === 0 ? 'This DAG has no params; its tasks may still read a conf.' : undefined}
          value={form.json}
          onChange={(event) => form.setJson(event.currentTarget.value)}
          error={problemOfJson(form.json)}
          autosize
          minRows={params.length === 0 ? 2 : 6}
          maxRows={20}
          spellCheck={false}
          styles={{ input: { fontFamily: 'var(--mono)', fontSize: 12.5 } }}
        />
      )}

      <details className={classes.more}>
        <summary>Logical date, run id, note</summary>
        <div className={classes.moreFields}>
          <TextInput
            type="datetime-local"
            label="Logical date"
            description={`In the DAG's time zone, ${zone}. Empty: now`}
            value={more.logicalDate}
            onChange={(event) => setMore({ ...more, logicalDate: event.currentTarget.value })}
          />
          <TextInput
            label="Run id"
            description="Empty: made from the date"
            value={more.runId}
            onChange={(event) => setMore({ ...more, runId: event.currentTarget.value })}
            spellCheck={false}
          />
          <Textarea
            className={classes.wide}
            label="Note"
            value={more.note}
            onChange={(event) => setMore({ ...more, note: event.currentTarget.value })}
            autosize
            minRows={1}
            maxLength={1000}
          />
        </div>
      </details>

      <DialogButtons sticky>
        {isPaused && (
          <Button variant="default" disabled={busy} onClick={() => void submit(false)}>
            Trigger only
          </Button>
        )}
        <Button type="submit" loading={busy} leftSection={<Icon name="play" size={14} />}>
          {isPaused ? 'Unpause and trigger' : 'Trigger'}
        </Button>
      </DialogButtons>
    </Form>
  )
}

function problemOfJson(typed: string): string | undefined {
  const reading = readConf(typed)
  return 'problem' in reading ? reading.problem : undefined
}
