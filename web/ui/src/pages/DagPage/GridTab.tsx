import { SegmentedControl } from '@mantine/core'
import { useSuspenseQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { gridQuery } from '../../api/queries/runs'
import { Grid } from '../../components/grid/Grid'
import { GridLegend } from '../../components/grid/GridBody'
import { gridColumn, gridTree } from '../../components/grid/model'
import { allGroups, treeRows } from '../../components/tasks/tree'
import { TriggerButton } from '../../components/trigger/TriggerButton'
import { plural } from '../../lib/numbers'
import type { DagSearch } from '../../search'
import { EmptyMessage } from '../../ui/EmptyMessage'
import { Panel } from '../../ui/Panel'
import classes from './DagPage.module.css'

const route = getRouteApi('/signed-in/dags/$dagId')

const CHOICES = [10, 25, 50]
const USUAL = 25
/** A DAG with more tasks than fit on a screen starts with its groups folded. */
const MANY_TASKS = 60

interface Props {
  dagId: string
  zone: string
  search: DagSearch
  /** Why the DAG cannot be triggered. */
  refusal: string | undefined
  onTrigger: () => void
}

/** The last runs side by side, task by task. */
export function GridTab({ dagId, zone, search, refusal, onTrigger }: Props) {
  const navigate = route.useNavigate()
  const count = CHOICES.find((each) => each === search.runs) ?? USUAL
  const { data: grid } = useSuspenseQuery(gridQuery(dagId, count))
  const tree = useMemo(() => gridTree(grid), [grid])
  const [folded, setFolded] = useState<ReadonlySet<string>>(() => new Set(grid.tasks.length > MANY_TASKS ? allGroups(tree) : []))
  const rows = useMemo(() => treeRows(tree, folded), [tree, folded])
  const runs = useMemo(() => [...grid.runs].reverse(), [grid])
  if (runs.length === 0) {
    return (
      <Panel flush title="Grid">
        <EmptyMessage icon="grid" title="No runs yet">
          <p>Unpause the DAG to let it run on its schedule, or trigger it now.</p>
          <TriggerButton variant="default" refusal={refusal} onClick={onTrigger} />
        </EmptyMessage>
      </Panel>
    )
  }
  return (
    <Panel
      flush
      title={`${plural(grid.tasks.length, 'task')}, last ${plural(runs.length, 'run')}`}
      aside={
        <span className={classes.asideGroup}>
          {allGroups(tree).length > 0 && <FoldAll groups={allGroups(tree)} folded={folded} onChange={setFolded} />}
          <SegmentedControl
            size="xs"
            aria-label="How many runs"
            value={String(count)}
            onChange={(value) => void navigate({ search: { tab: 'grid', runs: Number(value) }, replace: true })}
            data={CHOICES.map((each) => ({ value: String(each), label: `${each} runs` }))}
          />
        </span>
      }
    >
      <Grid dagId={dagId} rows={rows} runs={runs} folded={folded} onFold={(id) => setFolded((before) => toggled(before, id))} zone={zone} />
      <GridLegend columns={runs.map((run) => gridColumn(rows, run.task_instances))} />
    </Panel>
  )
}

function FoldAll({ groups, folded, onChange }: { groups: string[]; folded: ReadonlySet<string>; onChange: (folded: ReadonlySet<string>) => void }) {
  const open = groups.some((id) => !folded.has(id))
  return (
    <button type="button" className={classes.foldAll} onClick={() => onChange(new Set(open ? groups : []))}>
      {open ? 'Fold all groups' : 'Unfold all groups'}
    </button>
  )
}

function toggled(set: ReadonlySet<string>, id: string): ReadonlySet<string> {
  const next = new Set(set)
  if (!next.delete(id)) next.add(id)
  return next
}
