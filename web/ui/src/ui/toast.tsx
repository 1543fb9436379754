import { notifications } from '@mantine/notifications'
import { Icon } from './Icon'

const closeButtonProps = { 'aria-label': 'Close' }
// A validation that failed says one thing in a line.
const styles = { description: { whiteSpace: 'pre-line' } } as const

/** The result of what a person did, in the corner, for as long as it takes to look there and to read it. */
export const toast = {
  good: (title: string, message?: string) =>
    notifications.show({ title, message, icon: <Icon name="check" />, color: 'var(--good)', autoClose: 7000, closeButtonProps, styles }),
  bad: (title: string, message?: string) =>
    notifications.show({ title, message, icon: <Icon name="alert" />, color: 'var(--bad)', autoClose: 12_000, closeButtonProps, styles }),
}
