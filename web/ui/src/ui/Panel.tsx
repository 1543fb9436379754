import type { ReactNode } from 'react'
import classes from './Panel.module.css'

interface Props {
  title?: ReactNode
  /** Stands at the right of the title. */
  aside?: ReactNode
  /** Content to the edges: for tables, logs and graphs. */
  flush?: boolean
  children: ReactNode
}

/** A sheet on the page. */
export function Panel({ title, aside, flush = false, children }: Props) {
  return (
    <section className={classes.panel}>
      {(title !== undefined || aside !== undefined) && (
        <header className={classes.head}>
          <h2 className={classes.title}>{title}</h2>
          {aside}
        </header>
      )}
      <div className={flush ? classes.flush : classes.body}>{children}</div>
    </section>
  )
}
