/**
 * Tasks in their groups. Ids mostly begin with those of the groups around them (Airflow 3: `prefix_group_id`):
 * `extract.check.totals` is the task `totals` in the group `extract.check`, which is in the group `extract`.
 */
export interface TaskLeaf {
  kind: 'task'
  id: string
  /** The id without the group. */
  label: string
}

export interface TaskGroup {
  kind: 'group'
  id: string
  label: string
  children: TaskTreeNode[]
}

export type TaskTreeNode = TaskLeaf | TaskGroup

/** Which group each task and each group is in; empty is the top. */
export interface Grouping {
  ofTask: (id: string) => string
  around: (group: string) => string
  /** Second names: what has one is shown by it. */
  shown: ReadonlyMap<string, string>
}

/** As the DAG has it: ids need not begin with those of the groups around them. */
export function groupingOf(
  tasks: readonly { task_id: string; task_group_id: string | null }[],
  groups: readonly { group_id: string; parent_group_id: string | null; group_display_name: string | null }[],
): Grouping {
  const within = new Map(tasks.map((task) => [task.task_id, task.task_group_id ?? '']))
  const outer = new Map(groups.map((group) => [group.group_id, group.parent_group_id ?? '']))
  const named = groups.flatMap((group) => (group.group_display_name === null ? [] : [[group.group_id, group.group_display_name] as const]))
  return { ofTask: (id) => within.get(id) ?? '', around: (group) => outer.get(group) ?? '', shown: new Map(named) }
}

/** The tasks as a tree. A group stands where its first task does. */
export function taskTree(ids: readonly string[], { ofTask, around, shown }: Grouping): TaskTreeNode[] {
  const roots: TaskTreeNode[] = []
  const groups = new Map<string, TaskGroup>()
  const siblings = (groupId: string): TaskTreeNode[] => {
    if (groupId === '') return roots
    const known = groups.get(groupId)
    if (known !== undefined) return known.children
    const outer = around(groupId)
    const group: TaskGroup = { kind: 'group', id: groupId, label: shown.get(groupId) ?? labelIn(groupId, outer), children: [] }
    groups.set(groupId, group)
    siblings(outer).push(group)
    return group.children
  }
  for (const id of ids) {
    const group = ofTask(id)
    siblings(group).push({ kind: 'task', id, label: shown.get(id) ?? labelIn(id, group) })
  }
  return roots
}

/** The group that a task or group is in, going by its id; empty at the top. */
export function groupOf(id: string): string {
  return id.slice(0, Math.max(0, id.lastIndexOf('.')))
}

export interface TreeRow {
  node: TaskTreeNode
  depth: number
  /** The tasks in it, however deep; of a task, itself. */
  taskIds: string[]
}

/** What is seen of the tree, from top to bottom, when the groups given are folded. */
export function treeRows(nodes: readonly TaskTreeNode[], folded: ReadonlySet<string>, depth = 0): TreeRow[] {
  return nodes.flatMap((node) => {
    const row = { node, depth, taskIds: leaves(node) }
    return node.kind === 'task' || folded.has(node.id) ? [row] : [row, ...treeRows(node.children, folded, depth + 1)]
  })
}

export function allGroups(nodes: readonly TaskTreeNode[]): string[] {
  return nodes.flatMap((node) => (node.kind === 'group' ? [node.id, ...allGroups(node.children)] : []))
}

function leaves(node: TaskTreeNode): string[] {
  return node.kind === 'task' ? [node.id] : node.children.flatMap(leaves)
}

/** The id without that of the group around it. */
export function labelIn(id: string, group: string): string {
  return group !== '' && id.startsWith(`${group}.`) ? id.slice(group.length + 1) : id
}
