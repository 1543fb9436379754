import { formatCount, plural } from '../../lib/numbers'
import { Icon } from '../../ui/Icon'
import classes from './Result.module.css'
import type { Expectation } from './shapes'

const DEEDS: Record<Expectation['action'], string> = { fail: 'fails the task', drop: 'drops the row', warn: 'warns' }

/** What was expected of the rows, and what became of it. */
export function Expectations({ expectations }: { expectations: Expectation[] }) {
  return (
    <table className={classes.expectations} aria-label="Expectations">
      <tbody>
        {expectations.map(({ name, action, failed }) => (
          <tr key={name} data-tone={failed === 0 ? 'good' : action === 'fail' ? 'bad' : 'notice'}>
            <td className={classes.verdict}>
              <Icon name={failed === 0 ? 'check' : 'alert'} size={14} />
              <span className="visually-hidden">{failed === 0 ? 'holds' : 'does not hold'}</span>
            </td>
            <th scope="row">{name}</th>
            <td title={`${formatCount(failed)} rows were otherwise`}>{failed === 0 ? 'holds' : `${plural(failed, 'row')} otherwise`}</td>
            <td className={classes.deed}>{DEEDS[action]}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
