import { render } from '@testing-library/react'
import { expect, test } from 'vitest'
import { Schedule } from './Schedule'

test.each([
  ['Every day at 00:00', '@daily', 'Every day at 00:00@daily'],
  ['At 06:00', '0 6 * * 1-5', 'At 06:000 6 * * 1-5'],
  ['Every 6 hours', '6:00:00', 'Every 6 hours'],
  ['Every day', '1 day, 0:00:00', 'Every day'],
  ['When orders are updated', 'Asset', 'When orders are updated'],
  ['', '*/5 * * * *', '*/5 * * * *'],
  [null, null, 'Only when triggered'],
])('the schedule %j, written %j, is shown as %j', (timetable_description, timetable_summary, shown) => {
  const { container } = render(<Schedule dag={{ timetable_description, timetable_summary }} />)
  expect(container.textContent).toBe(shown)
})
