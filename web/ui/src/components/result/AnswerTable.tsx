import { Button } from '@mantine/core'
import { useClipboard } from '@mantine/hooks'
import { useMemo, useState } from 'react'
import { cellText, toCsv } from '../../lib/csv'
import { download } from '../../lib/download'
import { formatCount, plural } from '../../lib/numbers'
import { CopyText } from '../../ui/CopyText'
import { Icon } from '../../ui/Icon'
import classes from './Result.module.css'
import { barScale, isNumeric, sortRows, type QueryAnswer, type Sorting } from './shapes'

interface Props {
  answer: QueryAnswer
  /** Without the ending. */
  fileName: string
}

/** The answer of a query, as the table that it is. */
export function AnswerTable({ answer, fileName }: Props) {
  const [sorting, setSorting] = useState<Sorting | null>(null)
  const clipboard = useClipboard({ timeout: 1500 })
  const rows = useMemo(() => sortRows(answer.rows, sorting), [answer.rows, sorting])
  const looks = useMemo(
    () => answer.columns.map((_, column) => ({ numeric: isNumeric(answer.rows, column), scale: barScale(answer.rows, column) })),
    [answer],
  )
  const csv = () => toCsv(answer.columns, rows)
  return (
    <>
      <div className={classes.tools}>
        <span>
          <b>{plural(answer.rowCount, 'row')}</b>
          {answer.rows.length < answer.rowCount && (
            <span className={classes.cut} data-tone="notice">
              <Icon name="alert" size={13} /> Cut: the first {formatCount(answer.rows.length)} are shown
              {answer.output !== null && ', all are in the output'}
            </span>
          )}
        </span>
        {answer.output !== null && (
          <span className={classes.output}>
            <CopyText text={answer.output} />
          </span>
        )}
        <Button.Group className={classes.buttons}>
          <Button size="xs" variant="default" onClick={() => clipboard.copy(csv())} leftSection={<Icon name={clipboard.copied ? 'check' : 'copy'} size={13} />}>
            {clipboard.copied ? 'Copied' : 'Copy as CSV'}
          </Button>
          <Button size="xs" variant="default" onClick={() => download(`${fileName}.csv`, 'text/csv', csv())} leftSection={<Icon name="download" size={13} />}>
            Download
          </Button>
        </Button.Group>
      </div>
      <div className={classes.scroll} tabIndex={0} role="region" aria-label="Answer">
        <table className={classes.table}>
          <thead>
            <tr>
              <th className={classes.number}>#</th>
              {answer.columns.map((name, column) => (
                <HeadCell
                  key={column}
                  name={name}
                  numeric={looks[column]?.numeric === true}
                  sorted={sorting?.column === column ? (sorting.descending ? 'descending' : 'ascending') : 'none'}
                  onSort={() => setSorting(nextSorting(sorting, column))}
                />
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row, place) => (
              <tr key={place}>
                <td className={classes.number}>{place + 1}</td>
                {answer.columns.map((_, column) => (
                  <Cell key={column} value={row[column] ?? null} numeric={looks[column]?.numeric === true} scale={looks[column]?.scale ?? null} />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
        {rows.length === 0 && <p className={classes.none}>The answer has no rows.</p>}
      </div>
    </>
  )
}

/** Ascending, descending, then the order of the answer itself. */
function nextSorting(sorting: Sorting | null, column: number): Sorting | null {
  if (sorting?.column !== column) return { column, descending: false }
  return sorting.descending ? null : { column, descending: true }
}

interface HeadCellProps {
  name: string
  numeric: boolean
  sorted: 'ascending' | 'descending' | 'none'
  onSort: () => void
}

function HeadCell({ name, numeric, sorted, onSort }: HeadCellProps) {
  return (
    <th aria-sort={sorted} data-numeric={numeric || undefined}>
      <button className={classes.sort} data-sorted={sorted} onClick={onSort} aria-label={`Sort by ${name}`}>
        {name}
        <Icon name={sorted === 'descending' ? 'chevronDown' : 'chevronUp'} size={12} />
      </button>
    </th>
  )
}

function Cell({ value, numeric, scale }: { value: unknown; numeric: boolean; scale: number | null }) {
  if (value === null) return <td data-numeric={numeric || undefined} className={classes.null}>null</td>
  const share = scale !== null && typeof value === 'number' ? (100 * value) / scale : null
  return (
    <td data-numeric={numeric || undefined}>
      {share !== null && <span className={classes.share} style={{ width: `${share}%` }} aria-hidden="true" />}
      <span className={classes.value}>{cellText(value)}</span>
    </td>
  )
}
