import { CopyIcon } from './CopyText'
import { Linked } from './Linked'
import classes from './CodeBlock.module.css'

interface Props {
  text: string
  /** What it is, for screen readers and the copy button. */
  label: string
  wrap?: boolean
}

/** Text as it is, in monospace, with a button to copy it. */
export function CodeBlock({ text, label, wrap = false }: Props) {
  return (
    <div className={classes.block}>
      <div className={classes.copy}>
        <CopyIcon text={text} label={`Copy: ${label}`} />
      </div>
      {/* It scrolls, so that the keyboard must be able to reach it. */}
      <pre className={classes.text} data-wrap={wrap || undefined} tabIndex={0} role="region" aria-label={label}>
        <Linked text={text} />
      </pre>
    </div>
  )
}
