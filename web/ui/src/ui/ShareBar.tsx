import classes from './ShareBar.module.css'

interface Share {
  key: string
  /** The colour; one without leaves its part of the bar empty. */
  tone?: string
  /** Of the bar. */
  percent: number
}

/** What a whole is made of, as parts of a bar. */
export function ShareBar({ label, shares }: { label: string; shares: Share[] }) {
  return (
    <div className={classes.track} role="img" aria-label={label}>
      {shares.map(({ key, tone, percent }) => (
        <span key={key} className={classes.share} data-tone={tone} style={{ width: `${percent}%` }} />
      ))}
    </div>
  )
}
