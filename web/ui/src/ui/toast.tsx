import { notifications } from '@mantine/notifications'
import { Icon } from './Icon'

const closeButtonProps = { 'aria-label': 'Close' }

/** The result of what a person did, in the corner. */
export const toast = {
  good: (title: string, message?: string) =>
    notifications.show({ title, message, icon: <Icon name="check" />, color: 'var(--good)', autoClose: 4000, closeButtonProps }),
  bad: (title: string, message?: string) =>
    notifications.show({ title, message, icon: <Icon name="alert" />, color: 'var(--bad)', autoClose: 9000, closeButtonProps }),
}
