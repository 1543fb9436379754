import type { ReactNode } from 'react'
import classes from './EmptyMessage.module.css'
import { Icon, type IconName } from './Icon'

interface Props {
  icon: IconName
  title: ReactNode
  children?: ReactNode
}

/** What a place says that has nothing to show: why, and what to do. */
export function EmptyMessage({ icon, title, children }: Props) {
  return (
    <div className={classes.empty}>
      <span className={classes.icon}>
        <Icon name={icon} size={20} />
      </span>
      <div className={classes.title}>{title}</div>
      {children !== undefined && <div className={classes.text}>{children}</div>}
    </div>
  )
}
