import type { Node, NodeProps } from '@xyflow/react'
import { plural } from '../../lib/numbers'
import { Icon } from '../../ui/Icon'
import { TASK_FACES } from '../faces'
import type { Summary } from '../tasks/summary'
import classes from './Graph.module.css'
import { Counts, Ends, Label, useFar } from './TaskNode'

export interface GroupNodeData extends Record<string, unknown> {
  groupId: string
  label: string
  /** How many tasks are in it, however deep. */
  size: number
  /** Null when the graph shows the DAG and no run of it. */
  summary: Summary | null
  onFold: (groupId: string) => void
}

export type GroupFlowNode = Node<GroupNodeData, 'unfolded' | 'folded'>

/** The box around the tasks of a group. */
export function GroupNode({ data }: NodeProps<GroupFlowNode>) {
  return (
    <div className={classes.group} data-tone={data.summary === null ? 'quiet' : TASK_FACES[data.summary.state].tone}>
      <button type="button" className={classes.groupHead} aria-expanded="true" title={`Fold ${data.groupId}`} onClick={() => data.onFold(data.groupId)}>
        <Icon name="chevronDown" size={13} />
        {data.label}
        <span className={classes.count}>{data.size}</span>
      </button>
    </div>
  )
}

/** A group folded to one node. */
export function FoldedNode({ data }: NodeProps<GroupFlowNode>) {
  const { groupId, label, size, summary, onFold } = data
  const far = useFar()
  const face = summary === null ? null : TASK_FACES[summary.state]
  return (
    <Ends>
      <button
        type="button"
        className={classes.node}
        data-tone={face?.tone ?? 'quiet'}
        data-state={summary?.state}
        data-many
        data-far={far || undefined}
        aria-expanded="false"
        title={`Unfold ${groupId}`}
        onClick={() => onFold(groupId)}
      >
        <span className={classes.face}>
          <Icon name={face?.icon ?? 'group'} size={15} spinning={face?.spinning} />
        </span>
        <span className={classes.words}>
          <span className={classes.top}>
            <Label text={label} />
            <Icon name="chevronRight" size={12} />
          </span>
          {summary === null ? <span className={classes.sub}>{plural(size, 'task')}</span> : <Counts summary={summary} />}
        </span>
      </button>
    </Ends>
  )
}
