import { useDocumentTitle } from '@mantine/hooks'
import type { ReactNode } from 'react'
import { PageHeading } from './PageFrame'
import classes from './PageHead.module.css'

interface Props {
  /** What the browser's tab says. */
  documentTitle: string
  /** Links to the pages above this one. */
  crumbs?: ReactNode[]
  title: ReactNode
  /** Beside the title: the state. */
  badge?: ReactNode
  description?: ReactNode
  actions?: ReactNode
  facts?: ReactNode
}

export function PageHead({ documentTitle, crumbs = [], title, badge, description, actions, facts }: Props) {
  useDocumentTitle(`${documentTitle} · Updraft`)
  return (
    <header className={classes.head}>
      {crumbs.length > 0 && (
        <nav aria-label="Breadcrumb" className={classes.crumbs}>
          {crumbs.map((crumb, place) => (
            <span key={place} className={classes.crumb}>
              {place > 0 && <span aria-hidden="true"> / </span>}
              {crumb}
            </span>
          ))}
        </nav>
      )}
      <div className={classes.row}>
        <div className={classes.titles}>
          <PageHeading className={classes.title}>{title}</PageHeading>
          {badge}
        </div>
        {actions !== undefined && <div className={classes.actions}>{actions}</div>}
      </div>
      {description !== undefined && description !== null && description !== false && <div className={classes.description}>{description}</div>}
      {facts !== undefined && <div className={classes.facts}>{facts}</div>}
    </header>
  )
}
