import type { ReactNode } from 'react'
import classes from './RecordCells.module.css'

interface NameProps {
  name: string
  /** What is said about it, in a line each; none of those that are null, false or empty. */
  notes: (string | null | false)[]
}

/** The cell that says which connection, pool or variable a row is about. */
export function NameCell({ name, notes }: NameProps) {
  return (
    <td className={classes.nameCell}>
      <div className={classes.name}>{name}</div>
      {notes
        .filter((note) => note !== null && note !== false && note !== '')
        .map((note, place) => (
          <div key={place} className={classes.note}>
            {note}
          </div>
        ))}
    </td>
  )
}

/** The cell with what can be done to the row. */
export function ActionsCell({ children }: { children: ReactNode }) {
  return <td className={classes.actionsCell}>{children}</td>
}
