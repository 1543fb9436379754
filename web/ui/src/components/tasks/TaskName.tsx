import { groupOf } from './tree'
import classes from './TaskName.module.css'

/** The id of a task, with the groups that it is in held back. */
export function TaskName({ id }: { id: string }) {
  const group = groupOf(id)
  if (group === '') return id
  return (
    <>
      <span className={classes.group}>{group}.</span>
      {id.slice(group.length + 1)}
    </>
  )
}
