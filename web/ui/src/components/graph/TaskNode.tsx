import { Handle, Position, useStore, type Node, type NodeProps } from '@xyflow/react'
import { Link } from '@tanstack/react-router'
import { taskState, type TaskInstance } from '../../api/model'
import { paths } from '../../paths'
import { Icon } from '../../ui/Icon'
import { Duration } from '../Duration'
import { TASK_FACES } from '../faces'
import classes from './Graph.module.css'

export interface TaskNodeData extends Record<string, unknown> {
  taskId: string
  operator: string | null
  /** Absent when the graph shows the DAG and no run of it. */
  instance: TaskInstance | undefined
}

export type TaskFlowNode = Node<TaskNodeData, 'task'>

/** Nodes smaller than this show less, and that larger. */
const FAR_ZOOM = 0.6

export function TaskNode({ data }: NodeProps<TaskFlowNode>) {
  const far = useStore((flow) => flow.transform[2] < FAR_ZOOM)
  return (
    <>
      <Handle type="target" position={Position.Left} isConnectable={false} className={classes.handle} />
      {data.instance === undefined ? <PlainTask {...data} far={far} /> : <RunTask {...data} far={far} instance={data.instance} />}
      <Handle type="source" position={Position.Right} isConnectable={false} className={classes.handle} />
    </>
  )
}

function PlainTask({ taskId, operator, far }: TaskNodeData & { far: boolean }) {
  return (
    <div className={classes.node} data-tone="quiet" data-far={far || undefined}>
      <span className={classes.face}>
        <Icon name="gear" size={15} />
      </span>
      <span className={classes.words}>
        <span className={classes.taskId}>{taskId}</span>
        <span className={classes.sub}>{operator}</span>
      </span>
    </div>
  )
}

function RunTask({ taskId, operator, instance, far }: TaskNodeData & { instance: TaskInstance; far: boolean }) {
  const state = taskState(instance)
  const face = TASK_FACES[state]
  return (
    <Link
      {...paths.task(instance.dag_id, instance.dag_run_id, taskId)}
      className={classes.node}
      data-tone={face.tone}
      data-state={state}
      data-far={far || undefined}
      title={instance.reason ?? undefined}
    >
      <span className={classes.face}>
        <Icon name={face.icon} size={15} spinning={face.spinning} />
      </span>
      <span className={classes.words}>
        <span className={classes.top}>
          <span className={classes.taskId}>{taskId}</span>
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
