import { cellText } from '../../lib/csv'
import { formatCount } from '../../lib/numbers'
import { Facts } from '../../ui/Facts'
import { Expectations } from './Expectations'
import classes from './Result.module.css'
import type { CleanReport } from './shapes'

/** What a `clean` task did: rows in and out, and the work of each rule. */
export function CleanPanel({ report }: { report: CleanReport }) {
  const most = Math.max(1, ...report.changed.map(([, count]) => count))
  return (
    <div className={classes.clean}>
      <div className={classes.figures}>
        <Figure name="Rows read" value={report.read} />
        <Figure name="Rows written" value={report.written} tone="good" />
        <Figure name="Rows rejected" value={report.rejected} tone={report.rejected > 0 ? 'bad' : 'quiet'} />
        {report.duplicates !== null && <Figure name="Duplicates left out" value={report.duplicates} />}
      </div>
      {report.expectations.length > 0 && (
        <>
          <h2 className={classes.subtitle}>Expectations</h2>
          <Expectations expectations={report.expectations} />
        </>
      )}
      {report.changed.length > 0 && (
        <>
          <h2 className={classes.subtitle}>Rows changed, by rule</h2>
          <table className={classes.rules}>
            <tbody>
              {report.changed.map(([rule, count]) => (
                <tr key={rule}>
                  <th scope="row">{rule}</th>
                  <td>
                    <span className={classes.ruleTrack} aria-hidden="true">
                      <span style={{ width: `${(100 * count) / most}%` }} />
                    </span>
                  </td>
                  <td data-numeric>{formatCount(count)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </>
      )}
      {report.others.length > 0 && <Facts facts={report.others.map(([name, value]) => [name, <code key={name}>{cellText(value)}</code>])} />}
    </div>
  )
}

function Figure({ name, value, tone = 'quiet' }: { name: string; value: number; tone?: 'good' | 'bad' | 'quiet' }) {
  return (
    <div className={classes.figure} data-tone={tone}>
      <span className={classes.figureValue}>{formatCount(value)}</span>
      <span className={classes.figureName}>{name}</span>
    </div>
  )
}
