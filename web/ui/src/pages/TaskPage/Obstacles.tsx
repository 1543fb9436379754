import { useQuery } from '@tanstack/react-query'
import { taskState, type Obstacle, type TaskInstance } from '../../api/model'
import { taskObstaclesQuery } from '../../api/queries/tasks'
import { TASK_FACES } from '../../components/faces'
import { Reason } from '../../components/Reason'
import { Notice } from '../../ui/Notice'
import classes from './TaskPage.module.css'

/** Everything that a task waits for, and what would help; until that is known, the reason that is stored. */
export function Obstacles({ instance }: { instance: TaskInstance }) {
  const asked = useQuery(taskObstaclesQuery(instance.dag_id, instance.dag_run_id, instance.task_id))
  const stored: Obstacle[] = instance.reason === null ? [] : [{ name: 'stored', reason: instance.reason, remedy: null }]
  const obstacles = asked.data ?? stored
  if (obstacles.length === 0) return null
  return (
    <div className={classes.callout}>
      <Notice tone={TASK_FACES[taskState(instance)].tone} icon="clock">
        <b>Not running yet: </b>
        {obstacles.length === 1 ? (
          obstacles.map((obstacle) => <One key={obstacle.name} obstacle={obstacle} />)
        ) : (
          <ul className={classes.obstacles}>
            {obstacles.map((obstacle) => (
              <li key={obstacle.name}>
                <One obstacle={obstacle} />
              </li>
            ))}
          </ul>
        )}
      </Notice>
    </div>
  )
}

function One({ obstacle }: { obstacle: Obstacle }) {
  return (
    <>
      <Reason text={obstacle.reason} />
      {obstacle.remedy !== null && (
        <span className={classes.remedy}>
          {/* The server writes commands as people do in Markdown. */}
          What would help: {obstacle.remedy.split('`').map((part, place) => (place % 2 === 1 ? <code key={place}>{part}</code> : part))}
        </span>
      )}
    </>
  )
}
