import { Skeleton } from '@mantine/core'
import { lazy, Suspense, useMemo } from 'react'
import { drawing } from '../chart/chart'
import { AnswerTable } from './AnswerTable'
import { Expectations } from './Expectations'
import classes from './Result.module.css'
import type { QueryAnswer } from './shapes'

// Who asks for no chart need not wait for what draws them.
const ChartPanel = lazy(() => import('../chart/ChartPanel').then((module) => ({ default: module.ChartPanel })))

interface Props {
  answer: QueryAnswer
  /** Without the ending. */
  fileName: string
}

/** The answer of a query: what was expected of it, its charts, and the table. */
export function AnswerPanel({ answer, fileName }: Props) {
  const drawings = useMemo(
    () => answer.charts.flatMap((chart) => drawing(chart, answer) ?? []),
    [answer],
  )
  return (
    <>
      {answer.expectations.length > 0 && (
        <div className={classes.aside}>
          <Expectations expectations={answer.expectations} />
        </div>
      )}
      {drawings.length > 0 && (
        <Suspense fallback={<Skeleton height={320} m={16} role="status" aria-label="Drawing" />}>
          {drawings.map((each, place) => (
            <ChartPanel key={place} drawing={each} />
          ))}
        </Suspense>
      )}
      <AnswerTable answer={answer} fileName={fileName} />
    </>
  )
}
