import { ActionIcon, Button, Menu } from '@mantine/core'
import { useState } from 'react'
import type { MarkedState, TaskRef } from '../../api/model'
import { TASK_FACES } from '../faces'
import { Icon } from '../../ui/Icon'
import { ClearTasksDialog } from './ClearTasksDialog'
import { MarkTaskDialog } from './MarkTaskDialog'

interface Props {
  dagId: string
  runId: string
  task: TaskRef
  /** What the task is called. */
  name: string
  /** The run has a logical date, so that it has a past and a future. */
  hasDate: boolean
  /** `buttons` on the task's own page, `menu` in a row, `clear` for the one button alone. */
  as?: 'buttons' | 'menu' | 'clear'
  /** The button stands out: running it again is what a person comes for. */
  prominent?: boolean
}

const MARKS: MarkedState[] = ['success', 'failed', 'skipped']

/** What a person may do to a task of a run. */
export function TaskActions({ dagId, runId, task, name, hasDate, as = 'buttons', prominent = false }: Props) {
  const [open, setOpen] = useState<'clear' | MarkedState | null>(null)
  const shared = { dagId, runId, name, hasDate, opened: true, onClose: () => setOpen(null) }
  const marks = MARKS.map((state) => (
    <Menu.Item key={state} leftSection={<Icon name={TASK_FACES[state].icon} size={14} />} onClick={() => setOpen(state)}>
      Mark {state}
    </Menu.Item>
  ))
  return (
    <>
      {as === 'menu' ? (
        <Menu position="bottom-end">
          <Menu.Target>
            <ActionIcon size={28} aria-label={`Actions on ${name}`}>
              <Icon name="dots" size={16} />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item leftSection={<Icon name="retry" size={14} />} onClick={() => setOpen('clear')}>
              Run again from here
            </Menu.Item>
            <Menu.Divider />
            {marks}
          </Menu.Dropdown>
        </Menu>
      ) : (
        <Button
          size={as === 'clear' ? 'xs' : undefined}
          variant={prominent ? 'filled' : 'default'}
          leftSection={<Icon name="retry" size={14} />}
          onClick={() => setOpen('clear')}
        >
          Run again from here
        </Button>
      )}
      {as === 'buttons' && (
        <Menu position="bottom-end">
          <Menu.Target>
            <Button variant="default" rightSection={<Icon name="chevronDown" size={13} />}>
              Mark as
            </Button>
          </Menu.Target>
          <Menu.Dropdown>{marks}</Menu.Dropdown>
        </Menu>
      )}
      {open === 'clear' && <ClearTasksDialog {...shared} tasks={[task]} />}
      {open !== null && open !== 'clear' && <MarkTaskDialog {...shared} task={task} state={open} />}
    </>
  )
}
