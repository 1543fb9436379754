import type { ReactNode } from 'react'
import classes from './Table.module.css'

interface Props {
  /** The cells of the head. */
  head: ReactNode
  /** What differs from other tables. */
  className?: string
  /** The rows. */
  children: ReactNode
}

/** A table of rows; what does not fit is reached by scrolling. */
export function Table({ head, className, children }: Props) {
  return (
    <div className={classes.scroll}>
      <table className={className === undefined ? classes.table : `${classes.table} ${className}`}>
        <thead>
          <tr>{head}</tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  )
}

/** The head above the buttons of rows, which speak for themselves. */
export function ActionsHead({ className }: { className?: string }) {
  return (
    <th className={className}>
      <span className="visually-hidden">Actions</span>
    </th>
  )
}
