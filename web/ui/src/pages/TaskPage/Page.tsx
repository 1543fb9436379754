import { SegmentedControl, Tabs } from '@mantine/core'
import { useQuery, useSuspenseQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { isTaskFinished, taskRef, taskState, type TaskInstance, type TaskState, type TaskTry } from '../../api/model'
import { dagDetailsQuery, dagTasksQuery } from '../../api/queries/dags'
import { extraLinksQuery, hitlDetailQuery } from '../../api/queries/hitl'
import { runTasksQuery } from '../../api/queries/runs'
import { taskInstancesQuery, taskQuery, taskTriesQuery } from '../../api/queries/tasks'
import { instanceName } from '../../components/actions/affected'
import { TaskActions } from '../../components/actions/TaskActions'
import { crumbsOfTask } from '../../components/crumbs'
import { TaskDuration } from '../../components/Duration'
import { TASK_FACES } from '../../components/faces'
import { Question } from '../../components/hitl/Question'
import { PageHead } from '../../components/PageHead'
import { Reason } from '../../components/Reason'
import { TaskStateBadge } from '../../components/StateBadge'
import { Time } from '../../components/Time'
import { paths } from '../../paths'
import { TASK_TABS } from '../../search'
import { KeyFacts } from '../../ui/Facts'
import { ErrorText } from '../../ui/ErrorText'
import { Icon } from '../../ui/Icon'
import { Notice } from '../../ui/Notice'
import { Panel } from '../../ui/Panel'
import { DetailsTab } from './DetailsTab'
import { LogTab } from './LogTab'
import { MappedTask } from './MappedTask'
import { Neighbours } from './Neighbours'
import { Obstacles } from './Obstacles'
import { ResultTab } from './ResultTab'
import classes from './TaskPage.module.css'

const route = getRouteApi('/signed-in/dags/$dagId/runs/$runId/tasks/$taskId')

/** A task of a run: by itself, one instance of a mapped task, or the list of these. */
export function TaskPage() {
  const { dagId, runId, taskId } = route.useParams()
  const { map } = route.useSearch()
  const { data: instances } = useSuspenseQuery(taskInstancesQuery(dagId, runId, taskId))
  if (map === undefined && instances.some((each) => each.map_index >= 0)) return <MappedTask instances={instances} />
  return <InstancePage dagId={dagId} runId={runId} taskId={taskId} mapIndex={map ?? -1} />
}

interface InstanceProps {
  dagId: string
  runId: string
  taskId: string
  mapIndex: number
}

/** Whether tasks of an operator may lead to a run: of a DAG, or on Databricks. */
function mayLead(operator: string | null): boolean {
  return operator !== null && (operator.startsWith('databricks_') || ['clean', 'query', 'trigger_dag'].includes(operator))
}

/** A link to a page of ours, or elsewhere. */
function Lead({ name, href }: { name: string; href: string }) {
  const elsewhere = href.startsWith('/') ? {} : { target: '_blank', rel: 'noreferrer' }
  return (
    <a href={href} {...elsewhere}>
      {name}
    </a>
  )
}

function InstancePage({ dagId, runId, taskId, mapIndex }: InstanceProps) {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const name = { dag_id: dagId, dag_run_id: runId, task_id: taskId, map_index: mapIndex }
  const { data: instance } = useSuspenseQuery(taskQuery(name))
  const { data: dag } = useSuspenseQuery(dagDetailsQuery(dagId))
  const tries = useQuery(taskTriesQuery(name)).data
  const tasks = useQuery(dagTasksQuery(dagId)).data?.tasks
  const others = useQuery(runTasksQuery(dagId, runId)).data
  const links = useQuery({ ...extraLinksQuery(name), enabled: mayLead(instance.operator_name) }).data

  const zone = dag.timezone ?? 'UTC'
  const tryNumber = Math.min(search.try ?? instance.try_number, instance.try_number)
  const attempt = tries?.find((each) => each.try_number === tryNumber) ?? instance
  const state = taskState(attempt)
  const tab = search.tab ?? (instance.operator_name === 'query' && state === 'success' ? 'result' : 'log')
  return (
    <>
      <PageHead
        documentTitle={`${instanceName(instance)} · ${dagId}`}
        crumbs={[
          ...crumbsOfTask(instance, zone),
          mapIndex >= 0 && (
            <Link key="mapped" {...paths.task(dagId, runId, taskId)}>
              {taskId}
            </Link>
          ),
        ].filter((crumb) => crumb !== false)}
        title={instanceName(instance)}
        badge={<TaskStateBadge state={state} size="large" />}
        actions={
          <TaskActions
            dagId={dagId}
            runId={runId}
            task={taskRef(instance)}
            name={instanceName(instance)}
            hasDate={instance.logical_date !== null}
            prominent={taskState(instance) === 'failed'}
          />
        }
        facts={
          <>
            <KeyFacts
              facts={[
                ['Duration', <TaskDuration key="duration" instance={attempt} />],
                ['Started', attempt.start_date !== null && tryNumber > 0 && <Time at={attempt.start_date} zone={zone} seconds />],
                ['Operator', attempt.operator_name],
                ['Try', tryNumber > 0 && `${tryNumber} of ${instance.max_tries + 1}`],
                ['Map index', mapIndex >= 0 && mapIndex],
                ['Pool', attempt.pool],
                ...(links ?? []).map(([name, href]): [string, ReactNode] => ['Leads to', <Lead key={name} name={name} href={href} />]),
              ]}
            />
            {tasks !== undefined && <Neighbours taskId={taskId} tasks={tasks} instances={others ?? []} runId={runId} dagId={dagId} />}
          </>
        }
      />
      <Asked instance={instance} />
      <Callout instance={instance} error={attempt.error} />
      {instance.try_number > 1 && (
        <div className={classes.tries}>
          <TryChoice
            instance={instance}
            tries={tries ?? []}
            value={tryNumber}
            onChange={(value) =>
              void navigate({ search: (before) => ({ ...before, try: value === instance.try_number ? undefined : value }) })
            }
          />
        </div>
      )}
      <Panel flush>
        <Tabs
          value={tab}
          onChange={(value) =>
            void navigate({ search: (before) => ({ ...before, tab: TASK_TABS.find((each) => each === value) }), replace: true })
          }
        >
          <Tabs.List className={classes.tabs}>
            <Tabs.Tab value="log" leftSection={<Icon name="list" size={14} />}>
              Log
            </Tabs.Tab>
            <Tabs.Tab value="result" leftSection={<Icon name="table" size={14} />}>
              Result
            </Tabs.Tab>
            <Tabs.Tab value="details" leftSection={<Icon name="gear" size={14} />}>
              Details
            </Tabs.Tab>
          </Tabs.List>
          <Tabs.Panel value="log">
            <LogTab key={`${mapIndex} ${tryNumber}`} instance={instance} tryNumber={tryNumber} />
          </Tabs.Panel>
          <Tabs.Panel value="result">
            <ResultTab instance={instance} />
          </Tabs.Panel>
          <Tabs.Panel value="details">
            <DetailsTab instance={instance} tries={tries} definition={tasks?.find((task) => task.task_id === taskId)} zone={zone} />
          </Tabs.Panel>
        </Tabs>
      </Panel>
    </>
  )
}

const MAY_ASK: TaskState[] = ['queued', 'running', 'awaiting_input']

/** What the task asks of people, or asked. */
function Asked({ instance }: { instance: TaskInstance }) {
  const detail = useQuery({ ...hitlDetailQuery(instance), enabled: instance.operator_name === 'approval' }).data
  const state = taskState(instance)
  const waits = MAY_ASK.includes(state)
  // One that was cleared has not asked anew yet.
  if (detail === undefined || detail === null || !(waits || isTaskFinished(state))) return null
  return (
    <div className={classes.callout}>
      <Panel title={detail.subject}>
        <Question key={detail.created_at} detail={detail} waits={waits} />
      </Panel>
    </div>
  )
}

const HOLDS_SLOTS: TaskState[] = ['queued', 'running', 'restarting']

interface TryChoiceProps {
  instance: TaskInstance
  tries: TaskTry[]
  value: number
  onChange: (value: number) => void
}

function TryChoice({ instance, tries, value, onChange }: TryChoiceProps) {
  const numbers = Array.from({ length: instance.try_number }, (_, place) => place + 1)
  return (
    <SegmentedControl
      aria-label="Try"
      value={String(value)}
      onChange={(chosen) => onChange(Number(chosen))}
      data={numbers.map((number) => {
        const face = TASK_FACES[taskState(tries.find((each) => each.try_number === number) ?? instance)]
        return {
          value: String(number),
          label: (
            <span className={classes.try} data-tone={face.tone}>
              <Icon name={face.icon} size={13} spinning={face.spinning} />
              Try {number}
              <span className="visually-hidden">, {face.label}</span>
            </span>
          ),
        }
      })}
    />
  )
}

/** Why the task is not running, or what it failed with. */
function Callout({ instance, error }: { instance: TaskInstance; error: string | null }) {
  const state = taskState(instance)
  if (!isTaskFinished(state) && !HOLDS_SLOTS.includes(state)) {
    return <Obstacles instance={instance} />
  }
  if (instance.reason !== null && isTaskFinished(state)) {
    return (
      <div className={classes.callout}>
        <Notice tone={TASK_FACES[state].tone} icon={TASK_FACES[state].icon}>
          <Reason text={instance.reason} />
        </Notice>
      </div>
    )
  }
  if (error !== null) {
    return (
      <div className={classes.callout}>
        <Notice tone="bad" icon="alert">
          <ErrorText>{error}</ErrorText>
        </Notice>
      </div>
    )
  }
  if (instance.note !== null) {
    return (
      <div className={classes.callout}>
        <Notice tone="quiet" icon="list">
          {instance.note}
        </Notice>
      </div>
    )
  }
  return null
}
