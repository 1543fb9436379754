import type { CSSProperties, ReactNode } from 'react'
import { Handle, Position, useStore, type Node, type NodeProps } from '@xyflow/react'
import { Link } from '@tanstack/react-router'
import { taskState, type TaskInstance } from '../../api/model'
import { plural } from '../../lib/numbers'
import { paths } from '../../paths'
import { Icon } from '../../ui/Icon'
import { Duration } from '../Duration'
import { TASK_FACES } from '../faces'
import { summaryOf, type Summary } from '../tasks/summary'
import classes from './Graph.module.css'

export interface TaskNodeData extends Record<string, unknown> {
  taskId: string
  /** What it is called where it stands: without the groups that are drawn around it. */
  label: string
  operator: string | null
  isMapped: boolean
  /** Its instances in the run; none when the graph shows the DAG and no run of it. */
  instances: TaskInstance[]
}

export type TaskFlowNode = Node<TaskNodeData, 'task'>

/** Nodes smaller than this show less, and that larger. */
const FAR_ZOOM = 0.6

export function TaskNode({ data }: NodeProps<TaskFlowNode>) {
  const [first] = data.instances
  return (
    <Ends>
      {first === undefined ? (
        <PlainTask {...data} />
      ) : first.map_index < 0 ? (
        <RunTask {...data} instance={first} />
      ) : (
        <MappedTask {...data} first={first} />
      )}
    </Ends>
  )
}

/** True while nodes are drawn so small that only the state and the name can be read. */
export function useFar(): boolean {
  return useStore((flow) => flow.transform[2] < FAR_ZOOM)
}

/** The name of a node. The longer it is, the smaller it is written while nodes are small, so that it is told from its like. */
export function Label({ text }: { text: string }) {
  return (
    <span className={classes.taskId} style={{ '--letters': text.length } as CSSProperties}>
      {text}
    </span>
  )
}

/** The places where edges meet a node. */
export function Ends({ children }: { children: ReactNode }) {
  return (
    <>
      <Handle type="target" position={Position.Left} isConnectable={false} className={classes.handle} />
      {children}
      <Handle type="source" position={Position.Right} isConnectable={false} className={classes.handle} />
    </>
  )
}

function PlainTask({ taskId, label, operator, isMapped }: TaskNodeData) {
  const far = useFar()
  return (
    <div className={classes.node} data-tone="quiet" data-far={far || undefined} data-many={isMapped || undefined} title={taskId}>
      <span className={classes.face}>
        <Icon name="gear" size={15} />
      </span>
      <span className={classes.words}>
        <Label text={label} />
        <span className={classes.sub}>
          {operator}
          {isMapped && ' · mapped'}
        </span>
      </span>
    </div>
  )
}

function RunTask({ taskId, label, operator, instance }: TaskNodeData & { instance: TaskInstance }) {
  const far = useFar()
  const state = taskState(instance)
  const face = TASK_FACES[state]
  return (
    <Link
      {...paths.instance(instance)}
      className={classes.node}
      data-tone={face.tone}
      data-state={state}
      data-far={far || undefined}
      title={instance.reason === null ? taskId : `${taskId}: ${instance.reason}`}
    >
      <span className={classes.face}>
        <Icon name={face.icon} size={15} spinning={face.spinning} />
      </span>
      <span className={classes.words}>
        <span className={classes.top}>
          <Label text={label} />
          <span className={classes.operator}>{operator}</span>
        </span>
        <span className={classes.sub}>
          <b>{face.label}</b>
          {instance.start_date !== null && instance.try_number > 0 && (
            <>
              {' · '}
              <Duration start={instance.start_date} end={instance.end_date} seconds={instance.duration} />
            </>
          )}
          {instance.try_number > 1 && <> · try {instance.try_number}</>}
        </span>
      </span>
    </Link>
  )
}

/** A mapped task: how many instances, and how many of them in each state. */
function MappedTask({ taskId, label, instances, first }: TaskNodeData & { first: TaskInstance }) {
  const far = useFar()
  const summary = summaryOf(instances)
  const face = TASK_FACES[summary?.state ?? 'none']
  return (
    <Link
      {...paths.task(first.dag_id, first.dag_run_id, taskId)}
      className={classes.node}
      data-tone={face.tone}
      data-state={summary?.state}
      data-many
      data-far={far || undefined}
      title={`${taskId}: ${plural(instances.length, 'task instance')}`}
    >
      <span className={classes.face}>
        <Icon name={face.icon} size={15} spinning={face.spinning} />
      </span>
      <span className={classes.words}>
        <span className={classes.top}>
          <Label text={label} />
          <span className={classes.count}>× {instances.length}</span>
        </span>
        <Counts summary={summary} />
      </span>
    </Link>
  )
}

/** How many are in each state, in the width of a node. */
export function Counts({ summary }: { summary: Summary | null }) {
  return (
    <span className={classes.counts}>
      {summary?.counts.map(([state, count]) => (
        <span key={state} data-tone={TASK_FACES[state].tone} title={`${count} ${TASK_FACES[state].label.toLowerCase()}`}>
          <Icon name={TASK_FACES[state].icon} size={11} spinning={TASK_FACES[state].spinning} />
          {count}
          <span className="visually-hidden"> {TASK_FACES[state].label.toLowerCase()}</span>
        </span>
      ))}
    </span>
  )
}
