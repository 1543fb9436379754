import type { RunState, TaskState } from '../api/model'
import { Icon } from '../ui/Icon'
import { RUN_FACES, TASK_FACES, type Face } from './faces'
import classes from './StateBadge.module.css'

interface Props {
  size?: 'small' | 'large'
}

/** Colour is never the only sign: the icon and the word say the same. */
export function TaskStateBadge({ state, size }: Props & { state: TaskState }) {
  return <FaceBadge face={TASK_FACES[state]} size={size} />
}

export function RunStateBadge({ state, size }: Props & { state: RunState }) {
  return <FaceBadge face={RUN_FACES[state]} size={size} />
}

export function FaceBadge({ face, size = 'small' }: Props & { face: Face }) {
  return (
    <span className={classes.badge} data-tone={face.tone} data-size={size}>
      <Icon name={face.icon} size={size === 'large' ? 15 : 13} spinning={face.spinning} />
      {face.label}
    </span>
  )
}
