import { ActionIcon, Button, Tooltip } from '@mantine/core'
import { useState } from 'react'
import { Icon } from '../../ui/Icon'
import { TriggerDialog } from './TriggerDialog'

interface Props {
  dagId: string
  isPaused: boolean
  /** Only the icon: for rows. */
  compact?: boolean
  label?: string
  /** A conf to start from instead of the defaults: that of an earlier run. */
  conf?: Record<string, unknown> | null
  variant?: 'filled' | 'default'
}

export function TriggerButton({ dagId, isPaused, compact = false, label = 'Trigger', conf = null, variant = 'filled' }: Props) {
  const [open, setOpen] = useState(false)
  return (
    <>
      {compact ? (
        <Tooltip label={`Trigger ${dagId}`}>
          <ActionIcon variant="default" size={32} aria-label={`Trigger ${dagId}`} onClick={() => setOpen(true)}>
            <Icon name="play" size={14} />
          </ActionIcon>
        </Tooltip>
      ) : (
        <Button variant={variant} leftSection={<Icon name={conf === null ? 'play' : 'retry'} size={14} />} onClick={() => setOpen(true)}>
          {label}
        </Button>
      )}
      <TriggerDialog dagId={dagId} isPaused={isPaused} opened={open} onClose={() => setOpen(false)} conf={conf} />
    </>
  )
}
