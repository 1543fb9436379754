import type { ReactNode, Ref } from 'react'
import { Icon, type IconName } from './Icon'
import classes from './Notice.module.css'

interface Props {
  ref?: Ref<HTMLDivElement>
  tone: 'good' | 'active' | 'bad' | 'notice' | 'wait' | 'blocked' | 'parked' | 'quiet'
  icon: IconName
  title?: string
  /** Read out at once when it appears: for the answer to what a person just did. */
  urgent?: boolean
  children: ReactNode
}

/** A sentence on the page that matters more than what is around it. */
export function Notice({ ref, tone, icon, title, urgent = false, children }: Props) {
  return (
    <div ref={ref} className={classes.notice} data-tone={tone} role={urgent ? 'alert' : undefined}>
      <Icon name={icon} size={16} />
      <div className={classes.words}>
        {title !== undefined && <p className={classes.title}>{title}</p>}
        {children}
      </div>
    </div>
  )
}
