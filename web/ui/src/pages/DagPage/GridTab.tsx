import { SegmentedControl } from '@mantine/core'
import { useQueries, useSuspenseQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { isRunFinished } from '../../api/model'
import { dagTasksQuery } from '../../api/queries/dags'
import { dagRunsQuery, runTasksQuery } from '../../api/queries/runs'
import { Grid } from '../../components/grid/Grid'
import { GridLegend } from '../../components/grid/GridBody'
import { gridColumn } from '../../components/grid/model'
import { inOrder } from '../../components/tasks/order'
import { allGroups, taskTree, treeRows } from '../../components/tasks/tree'
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
  isPaused: boolean
  search: DagSearch
}

/** The last runs side by side, task by task. */
export function GridTab({ dagId, zone, isPaused, search }: Props) {
  const navigate = route.useNavigate()
  const count = CHOICES.find((each) => each === search.runs) ?? USUAL
  const { data: tasks } = useSuspenseQuery(dagTasksQuery(dagId))
  const { data: page } = useSuspenseQuery(dagRunsQuery(dagId, { page: 0, limit: count }))
  const tree = useMemo(() => taskTree(inOrder(tasks.tasks).map((task) => task.id)), [tasks])
  const [folded, setFolded] = useState<ReadonlySet<string>>(() => new Set(tasks.tasks.length > MANY_TASKS ? allGroups(tree) : []))
  const rows = useMemo(() => treeRows(tree, folded), [tree, folded])
  const answers = useQueries({
    queries: page.dag_runs.map((run) => ({
      ...runTasksQuery(dagId, run.dag_run_id),
      // The event stream names every run in which something changes.
      staleTime: isRunFinished(run.state) ? Infinity : undefined,
    })),
    combine: (results) => results.map((each) => each.data),
  })
  const runs = useMemo(() => page.dag_runs.map((run, place) => ({ run, instances: answers[place] })).reverse(), [page, answers])
  if (runs.length === 0) {
    return (
      <Panel flush title="Grid">
        <EmptyMessage icon="grid" title="No runs yet">
          <p>Unpause the DAG to let it run on its schedule, or trigger it now.</p>
          <TriggerButton dagId={dagId} isPaused={isPaused} variant="default" />
        </EmptyMessage>
      </Panel>
    )
  }
  return (
    <Panel
      flush
      title={`${plural(tasks.tasks.length, 'task')}, last ${plural(runs.length, 'run')}`}
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
      <Grid rows={rows} runs={runs} folded={folded} onFold={(id) => setFolded((before) => toggled(before, id))} zone={zone} />
      <GridLegend columns={runs.map(({ instances }) => gridColumn(rows, instances))} />
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
