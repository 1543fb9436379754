import { cellText } from '../../lib/csv'
import { formatCount } from '../../lib/numbers'
import { CopyText } from '../../ui/CopyText'
import classes from './Result.module.css'
import type { EmulationReport } from './shapes'

/** What an `emulation` task posted: a line for each table. */
export function EmulationPanel({ report: { tables, counts, location } }: { report: EmulationReport }) {
  return (
    <>
      <div className={classes.tools}>
        <span>
          <b>{formatCount(tables.reduce((sum, [, table]) => sum + table.rows, 0))} rows</b> posted
        </span>
        {location !== null && (
          <span className={classes.output}>
            <CopyText text={location} />
          </span>
        )}
      </div>
      <div className={classes.scroll} tabIndex={0} role="region" aria-label="Posted rows">
        <table className={classes.table}>
          <thead>
            <tr>
              <th className={classes.head}>table</th>
              {['rows', ...counts].map((name) => (
                <th key={name} className={classes.head} data-numeric>
                  {name.replaceAll('_', ' ')}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {tables.map(([name, table]) => (
              <tr key={name}>
                <td>{name}</td>
                <td data-numeric>{formatCount(table.rows)}</td>
                {counts.map((count) => (
                  <td key={count} data-numeric>
                    {typeof table[count] === 'number' ? formatCount(table[count]) : cellText(table[count])}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  )
}
