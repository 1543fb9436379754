import { Popover, UnstyledButton } from '@mantine/core'
import { plural } from '../../lib/numbers'
import { CodeBlock } from '../../ui/CodeBlock'
import classes from './RunPage.module.css'

/** The conf of a run: how much there is, and all of it on a click. */
export function Conf({ conf }: { conf: Record<string, unknown> | null }) {
  const size = Object.keys(conf ?? {}).length
  if (size === 0) return <span className={classes.none}>Defaults</span>
  return (
    <Popover position="bottom-start" shadow="md" width={420}>
      <Popover.Target>
        <UnstyledButton className={classes.reveal}>{plural(size, 'value')}</UnstyledButton>
      </Popover.Target>
      <Popover.Dropdown p={0}>
        <CodeBlock text={JSON.stringify(conf, null, 2)} label="Conf of this run" />
      </Popover.Dropdown>
    </Popover>
  )
}
