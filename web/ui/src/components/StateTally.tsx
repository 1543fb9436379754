import { taskState, type AffectedInstance, type TaskState } from '../api/model'
import { TASK_FACES } from './faces'
import { Icon } from '../ui/Icon'
import classes from './StateTally.module.css'

/** How many tasks are in each state that occurs. */
export function StateTally({ instances }: { instances: Pick<AffectedInstance, 'state'>[] }) {
  const counts = new Map<TaskState, number>()
  for (const instance of instances) {
    const state = taskState(instance)
    counts.set(state, (counts.get(state) ?? 0) + 1)
  }
  const states = (Object.keys(TASK_FACES) as TaskState[]).filter((state) => counts.has(state))
  return (
    <ul className={classes.tally} aria-label="Tasks by state">
      {states.map((state) => {
        const face = TASK_FACES[state]
        return (
          <li key={state} data-tone={face.tone}>
            <Icon name={face.icon} size={13} spinning={face.spinning} />
            {counts.get(state)} {face.label.toLowerCase()}
          </li>
        )
      })}
    </ul>
  )
}
