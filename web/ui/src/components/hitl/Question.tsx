import { Button, Checkbox } from '@mantine/core'
import { useState } from 'react'
import { messageOf } from '../../api/errors'
import type { HitlDetail } from '../../api/model'
import { useRespond } from '../../api/queries/hitl'
import { Icon } from '../../ui/Icon'
import { Markdown } from '../../ui/Markdown'
import { toast } from '../../ui/toast'
import { Refusal } from '../Refusal'
import { Time } from '../Time'
import { ParamField } from '../trigger/ParamField'
import { readParams } from '../trigger/params'
import { useConfForm } from '../trigger/useConfForm'
import classes from './Question.module.css'

/** What a task asks, with the buttons to answer it, or the answer. */
export function Question({ detail, waits }: { detail: HitlDetail; waits: boolean }) {
  return (
    <div className={classes.question}>
      {detail.body !== null && <Markdown text={detail.body} />}
      {detail.response_received ? (
        <Answer detail={detail} />
      ) : waits ? (
        <Form detail={detail} />
      ) : (
        <p className={classes.aside}>Nobody answered, and the task does not ask any more.</p>
      )}
    </div>
  )
}

function Answer({ detail }: { detail: HitlDetail }) {
  const given = Object.entries(detail.params_input)
  return (
    <>
      <p className={classes.answer}>
        <Icon name="user" size={14} />
        <span>
          <b>{(detail.chosen_options ?? []).join(', ')}</b>
          {detail.responded_by_user !== null && <>, said by {detail.responded_by_user.name}</>}
          {detail.responded_at !== null && (
            <>
              {' '}
              <Time at={detail.responded_at} seconds />
            </>
          )}
        </span>
      </p>
      {given.length > 0 && (
        <ul className={classes.given}>
          {given.map(([name, value]) => (
            <li key={name}>
              <code>{name}</code> {typeof value === 'string' ? value : JSON.stringify(value)}
            </li>
          ))}
        </ul>
      )}
    </>
  )
}

function Form({ detail }: { detail: HitlDetail }) {
  const params = readParams(detail.params)
  const form = useConfForm(params, null)
  const [chosen, setChosen] = useState<string[]>([])
  const respond = useRespond(detail.task_instance)

  const send = (options: string[]) => {
    const given = params.length === 0 ? {} : form.read()
    if (given === undefined) return
    // Not by callbacks of `mutate`: the list may have heard of the answer, and not have the question any more.
    void respond.mutateAsync({ chosen: options, params: given }).then(
      () => toast.good(options.join(', '), detail.subject),
      (error: unknown) => toast.bad('The answer was not taken', messageOf(error)),
    )
  }

  return (
    <>
      <Refusal title="The answer was not taken" error={respond.error} />
      {params.map((param) => (
        <ParamField
          key={param.name}
          param={param}
          draft={form.drafts[param.name] ?? ''}
          problem={form.problems[param.name]}
          onChange={(draft) => form.setDraft(param.name, draft)}
        />
      ))}
      {detail.multiple ? (
        <Checkbox.Group label="What applies" value={chosen} onChange={setChosen}>
          <div className={classes.choices}>
            {detail.options.map((option) => (
              <Checkbox key={option} value={option} label={option} />
            ))}
          </div>
        </Checkbox.Group>
      ) : null}
      <div className={classes.buttons}>
        {detail.multiple ? (
          <Button disabled={chosen.length === 0} loading={respond.isPending} onClick={() => send(chosen)}>
            Answer
          </Button>
        ) : (
          detail.options.map((option, place) => (
            <Button key={option} variant={place === 0 ? 'filled' : 'default'} disabled={respond.isPending} onClick={() => send([option])}>
              {option}
            </Button>
          ))
        )}
      </div>
      <p className={classes.aside}>
        Asked <Time at={detail.created_at} as="relative" />
        {detail.assigned_users.length > 0 && <>, for {detail.assigned_users.map((user) => user.name).join(', ')} to answer</>}
        {detail.defaults !== null && <>; without an answer in time it is {detail.defaults.join(', ')}</>}
      </p>
    </>
  )
}
