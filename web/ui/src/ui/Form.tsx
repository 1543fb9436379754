import type { ReactNode } from 'react'
import classes from './Form.module.css'

interface Props {
  onSubmit: () => void
  /** `off` where the browser must not put in what it knows, such as a password. */
  autoComplete?: 'off'
  /** What differs from other forms. */
  className?: string
  children: ReactNode
}

/** Fields below each other, of which we say what is wrong with them, not the browser. */
export function Form({ onSubmit, autoComplete, className, children }: Props) {
  return (
    <form
      noValidate
      className={className === undefined ? classes.form : `${classes.form} ${className}`}
      autoComplete={autoComplete}
      onSubmit={(event) => {
        event.preventDefault()
        onSubmit()
      }}
    >
      {children}
    </form>
  )
}

interface ButtonsProps {
  /** They stay in sight, below a dialog that scrolls. */
  sticky?: boolean
  children: ReactNode
}

/** The buttons at the foot of a dialog. */
export function DialogButtons({ sticky = false, children }: ButtonsProps) {
  return <footer className={sticky ? classes.sticky : classes.buttons}>{children}</footer>
}
