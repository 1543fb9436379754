import { Button, Tooltip, type ButtonProps } from '@mantine/core'
import { Icon, type IconName } from './Icon'
import { pressable } from './pressable'

interface Props extends Pick<ButtonProps, 'variant' | 'size' | 'loading' | 'children'> {
  icon: IconName
  /** Why it cannot be pressed. */
  refusal: string | undefined
  /** What it does, where its label does not say all of it. */
  hint?: string
  onClick: () => void
}

/** A button that says why it cannot be pressed, when it cannot. */
export function RefusableButton({ icon, refusal, hint, onClick, ...button }: Props) {
  const label = refusal ?? hint
  return (
    <Tooltip label={label} disabled={label === undefined}>
      <Button {...button} leftSection={<Icon name={icon} size={14} />} {...pressable(refusal, onClick)} />
    </Tooltip>
  )
}
