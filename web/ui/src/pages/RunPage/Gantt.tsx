import { Tooltip } from '@mantine/core'
import { useQueries } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useMemo } from 'react'
import { taskState, type DagRun, type TaskInstance, type TaskTry } from '../../api/model'
import { taskTriesQuery } from '../../api/queries/tasks'
import { TASK_FACES } from '../../components/faces'
import { TaskName } from '../../components/tasks/TaskName'
import { formatClock } from '../../lib/dates'
import { elapsedSeconds, formatDuration } from '../../lib/durations'
import { plural } from '../../lib/numbers'
import { useNow } from '../../lib/useNow'
import { paths } from '../../paths'
import { EmptyMessage } from '../../ui/EmptyMessage'
import classes from './Gantt.module.css'
import { ganttFrame, ganttRows, ganttShown, ticks, type GanttBar, type GanttRow } from './gantt'

interface Props {
  run: DagRun
  instances: TaskInstance[]
}

const MARKS = 8

/** When each task of a run waited and ran, try by try. */
export function Gantt({ run, instances }: Props) {
  const now = useNow()
  const shown = useMemo(() => ganttShown(instances), [instances])
  const tries = useEarlierTries(shown)
  const frame = ganttFrame(run, instances, now)
  if (frame === null) {
    return (
      <EmptyMessage icon="clock" title="Nothing has run yet">
        The bars show here as soon as a task starts.
      </EmptyMessage>
    )
  }
  const marks = ticks(frame, MARKS)
  return (
    <div className={classes.scroll}>
      <div className={classes.chart}>
        <div className={classes.head} aria-hidden="true">
          <span>Task</span>
          <span className={classes.scale}>
            {marks.map((mark) => (
              <span key={mark.seconds} style={{ left: `${100 * mark.left}%` }}>
                {formatDuration(mark.seconds)}
              </span>
            ))}
          </span>
        </div>
        <ol className={classes.rows} aria-label="Tasks in the order in which they began">
          {ganttRows(shown, tries, frame, now).map((row) => (
            <Row key={row.instance.id} row={row} marks={marks.map((mark) => mark.left)} now={now} />
          ))}
        </ol>
        {instances.length > shown.length && <p className={classes.rest}>and {plural(instances.length - shown.length, 'more', 'more')}</p>}
      </div>
    </div>
  )
}

/** The tries of those that have more than one: the last one is known already. */
function useEarlierTries(instances: TaskInstance[]): ReadonlyMap<string, TaskTry[]> {
  const retried = useMemo(() => instances.filter((each) => each.try_number > 1), [instances])
  return useQueries({
    queries: retried.map((each) => taskTriesQuery(each)),
    combine: (answers) =>
      new Map(
        answers.flatMap((answer, place): [string, TaskTry[]][] => {
          const id = retried[place]?.id
          return answer.data === undefined || id === undefined ? [] : [[id, answer.data]]
        }),
      ),
  })
}

function Row({ row, marks, now }: { row: GanttRow; marks: number[]; now: number }) {
  const { instance } = row
  return (
    <li className={classes.row}>
      <Link {...paths.instance(instance)} className={classes.name} title={row.name}>
        <TaskName id={row.name} />
        <span className="visually-hidden">, {TASK_FACES[taskState(instance)].label}</span>
      </Link>
      <span className={classes.track}>
        {marks.map((left) => (
          <span key={left} className={classes.mark} style={{ left: `${100 * left}%` }} />
        ))}
        {row.bars.map((bar) => (
          <Bar key={bar.attempt.try_number} bar={bar} name={row.name} ofMany={row.bars.length > 1} now={now} />
        ))}
        {row.bars.length === 0 && <span className={classes.waiting}>{instance.reason ?? TASK_FACES[taskState(instance)].label}</span>}
      </span>
    </li>
  )
}

function Bar({ bar, name, ofMany, now }: { bar: GanttBar; name: string; ofMany: boolean; now: number }) {
  const { attempt, pieces } = bar
  const state = taskState(attempt)
  const ran = attempt.duration ?? elapsedSeconds(attempt.start_date, attempt.end_date, now)
  const waited = attempt.queued_when === null ? null : elapsedSeconds(attempt.queued_when, attempt.start_date, now)
  const label = (
    <>
      <b>{name}</b>
      {ofMany && `, try ${attempt.try_number}`} · {TASK_FACES[state].label}
      <br />
      {waited !== null && waited > 0 && <>queued for {formatDuration(waited)}, </>}
      {ran !== null && <>ran for {formatDuration(ran)}</>}
      {attempt.start_date !== null && <> from {formatClock(attempt.start_date).slice(0, 8)}</>}
    </>
  )
  return pieces.map((piece) => (
    <Tooltip key={piece.kind} label={label}>
      <span
        className={piece.kind === 'ran' ? classes.ran : classes.waited}
        data-tone={TASK_FACES[state].tone}
        data-state={state}
        data-kind={piece.kind}
        style={{ left: `${100 * piece.left}%`, width: `${100 * piece.width}%` }}
      />
    </Tooltip>
  ))
}
