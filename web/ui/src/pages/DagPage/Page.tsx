import { Tabs } from '@mantine/core'
import { useSuspenseQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { lazy, Suspense, useState } from 'react'
import { dagDetailsQuery } from '../../api/queries/dags'
import { AwaitedAssets } from '../../components/assets/AwaitedAssets'
import { DagWarnings } from '../../components/DagWarnings'
import { FavoriteButton } from '../../components/FavoriteButton'
import { LastFailure } from '../../components/LastFailure'
import { Owners } from '../../components/Owners'
import { PageHead } from '../../components/PageHead'
import { PagePending } from '../../components/PagePending'
import { PauseSwitch } from '../../components/PauseSwitch'
import { Schedule } from '../../components/Schedule'
import { Time } from '../../components/Time'
import { TriggerButton } from '../../components/trigger/TriggerButton'
import { TriggerDialog } from '../../components/trigger/TriggerDialog'
import { triggerRefusal } from '../../components/trigger/refusal'
import { plural } from '../../lib/numbers'
import { paths } from '../../paths'
import { DAG_TABS } from '../../search'
import { CopyText } from '../../ui/CopyText'
import { KeyFacts } from '../../ui/Facts'
import { Icon, type IconName } from '../../ui/Icon'
import { Notice } from '../../ui/Notice'
import { Prose } from '../../ui/Prose'
import { BackfillsTab } from './BackfillsTab'
import classes from './DagPage.module.css'
import { DetailsTab } from './DetailsTab'
import { GraphTab } from './GraphTab'
import { GridTab } from './GridTab'
import { RunsTab } from './RunsTab'

// The editor's code is needed on this one tab only.
const SourceTab = lazy(() => import('./SourceTab').then((module) => ({ default: module.SourceTab })))

const route = getRouteApi('/signed-in/dags/$dagId')

const TABS: Record<(typeof DAG_TABS)[number], { label: string; icon: IconName }> = {
  graph: { label: 'Graph', icon: 'graph' },
  grid: { label: 'Grid', icon: 'grid' },
  runs: { label: 'Runs', icon: 'list' },
  backfills: { label: 'Backfills', icon: 'retry' },
  details: { label: 'Details', icon: 'gear' },
  source: { label: 'Source', icon: 'code' },
}

export function DagPage() {
  const { dagId } = route.useParams()
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const { data: dag } = useSuspenseQuery(dagDetailsQuery(dagId))
  const zone = dag.timezone ?? 'UTC'
  const next = dag.next_dagrun_run_after
  const active = dag.active_runs_count ?? 0
  const [triggering, setTriggering] = useState(false)
  const trigger = () => setTriggering(true)
  const refusal = triggerRefusal(dag)
  return (
    <>
      <PageHead
        documentTitle={dagId}
        crumbs={[
          <Link key="dags" {...paths.dags()}>
            DAGs
          </Link>,
        ]}
        title={dag.dag_display_name}
        badge={
          <>
            {dag.dag_display_name !== dagId && <CopyText text={dagId} />}
            <FavoriteButton dagId={dagId} isFavorite={dag.is_favorite} />
            <PauseSwitch dagId={dagId} isPaused={dag.is_paused} withLabel />
          </>
        }
        description={dag.description !== null && <Prose text={dag.description} />}
        actions={<TriggerButton refusal={refusal} onClick={trigger} />}
        facts={
          <KeyFacts
            facts={[
              ['Schedule', <Schedule key="schedule" dag={dag} />],
              [
                'Next run',
                dag.timetable_summary === null ? null : dag.is_paused ? (
                  <span className={classes.quiet}>Paused</span>
                ) : next === null ? (
                  <span className={classes.quiet}>–</span>
                ) : (
                  <span className={classes.next}>
                    <Time at={next} zone={zone} as="relative" />
                    <span className={classes.exact}>
                      <Time at={next} zone={zone} as="zoned" />
                    </span>
                  </span>
                ),
              ],
              ['Time zone', zone],
              ['Active runs', active > 0 && plural(active, 'run')],
              ['Owner', <Owners key="owner" dag={dag} />],
              [
                'Tags',
                dag.tags.length > 0 && (
                  <span className={classes.tags}>
                    {dag.tags.map((tag) => (
                      <Link key={tag.name} to="/dags" search={{ tags: [tag.name] }} className={classes.tag}>
                        {tag.name}
                      </Link>
                    ))}
                  </span>
                ),
              ],
            ]}
          />
        }
      />
      {dag.has_import_errors && (
        <div className={classes.broken}>
          <Notice tone="bad" icon="alert">
            The file of this DAG does not load; its last good version goes on running. <Link {...paths.importErrors()}>Show why</Link>
          </Notice>
        </div>
      )}
      <DagWarnings dagId={dagId} />
      <LastFailure dagId={dagId} zone={zone} />
      {dag.asset_expression !== null && <AwaitedAssets dagId={dagId} zone={zone} isPaused={dag.is_paused} />}
      <Tabs
        value={search.tab ?? 'graph'}
        onChange={(value) => {
          const tab = DAG_TABS.find((each) => each === value)
          void navigate({ search: tab === 'graph' ? {} : { tab } })
        }}
      >
        <Tabs.List className={classes.tabs}>
          {DAG_TABS.map((tab) => (
            <Tabs.Tab key={tab} value={tab} leftSection={<Icon name={TABS[tab].icon} size={14} />}>
              {TABS[tab].label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Suspense fallback={<PagePending />}>
          <Tabs.Panel value="graph">
            <GraphTab dagId={dagId} zone={zone} />
          </Tabs.Panel>
          <Tabs.Panel value="grid">
            <GridTab dagId={dagId} zone={zone} search={search} refusal={refusal} onTrigger={trigger} />
          </Tabs.Panel>
          <Tabs.Panel value="runs">
            <RunsTab dagId={dagId} zone={zone} search={search} refusal={refusal} onTrigger={trigger} />
          </Tabs.Panel>
          <Tabs.Panel value="backfills">
            <BackfillsTab dag={dag} zone={zone} search={search} />
          </Tabs.Panel>
          <Tabs.Panel value="details">
            <DetailsTab dag={dag} zone={zone} />
          </Tabs.Panel>
          <Tabs.Panel value="source">
            <SourceTab dagId={dagId} />
          </Tabs.Panel>
        </Suspense>
      </Tabs>
      <TriggerDialog dagId={dagId} isPaused={dag.is_paused} opened={triggering} onClose={() => setTriggering(false)} conf={null} />
    </>
  )
}
