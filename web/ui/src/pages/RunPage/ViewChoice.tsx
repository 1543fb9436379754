import { SegmentedControl } from '@mantine/core'
import { RUN_TABS, type RunTab } from '../../search'
import { Icon } from '../../ui/Icon'
import classes from './RunPage.module.css'

const VIEWS: Record<RunTab, { label: string; icon: 'graph' | 'gantt' }> = {
  graph: { label: 'Graph', icon: 'graph' },
  gantt: { label: 'Gantt', icon: 'gantt' },
}

/** A run as what depends on what, or as what ran when. */
export function ViewChoice({ value, onChange }: { value: RunTab; onChange: (value: RunTab) => void }) {
  return (
    <SegmentedControl
      size="xs"
      aria-label="View"
      value={value}
      onChange={(chosen) => onChange(RUN_TABS.find((each) => each === chosen) ?? value)}
      data={RUN_TABS.map((tab) => ({
        value: tab,
        label: (
          <span className={classes.type}>
            <Icon name={VIEWS[tab].icon} size={13} /> {VIEWS[tab].label}
          </span>
        ),
      }))}
    />
  )
}
