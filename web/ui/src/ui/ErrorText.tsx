import classes from './ErrorText.module.css'

/** Why something failed. One of several lines points at a place in a text, with signs that must stand below each other. */
export function ErrorText({ children }: { children: string }) {
  return children.includes('\n') ? <span className={classes.lines}>{children}</span> : children
}
