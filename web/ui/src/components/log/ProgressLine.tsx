import classes from './Log.module.css'
import type { Progress } from './progress'

/** How far a running try has come. */
export function ProgressLine({ progress: { percent, text } }: { progress: Progress }) {
  return (
    <div className={classes.progress}>
      {percent !== null && (
        <span
          className={classes.track}
          role="progressbar"
          aria-label="Progress of the task"
          aria-valuenow={percent}
          aria-valuemin={0}
          aria-valuemax={100}
        >
          <span style={{ width: `${percent}%` }} />
        </span>
      )}
      {percent !== null && <b>{percent} %</b>}
      <span>{text}</span>
    </div>
  )
}
