import type { TaskState } from '../api/model'
import { Icon } from '../ui/Icon'
import { TASK_FACES } from './faces'
import classes from './StateFilter.module.css'

interface Props {
  counts: [state: TaskState, count: number][]
  /** Null shows all. */
  value: TaskState | null
  onChange: (value: TaskState | null) => void
}

/** How many are in each state; a click shows only these, a second one all again. */
export function StateFilter({ counts, value, onChange }: Props) {
  return (
    <div className={classes.filter} role="group" aria-label="Show only the state">
      {counts.map(([state, count]) => (
        <button
          key={state}
          type="button"
          aria-pressed={state === value}
          data-tone={TASK_FACES[state].tone}
          className={classes.state}
          onClick={() => onChange(state === value ? null : state)}
        >
          <Icon name={TASK_FACES[state].icon} size={13} spinning={TASK_FACES[state].spinning} />
          {count} {TASK_FACES[state].label.toLowerCase()}
        </button>
      ))}
    </div>
  )
}
