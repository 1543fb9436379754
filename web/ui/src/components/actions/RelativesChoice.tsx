import { Checkbox } from '@mantine/core'
import type { Relatives } from '../../api/model'
import classes from './Action.module.css'

interface Props {
  value: Relatives
  onChange: (value: Relatives) => void
  /** Past and future are told apart by the logical date, which not every run has. */
  hasDate: boolean
  children?: React.ReactNode
}

const CHOICES: { name: keyof Relatives; label: string; meaning: string; dated?: boolean }[] = [
  { name: 'include_downstream', label: 'Downstream', meaning: 'everything that comes after it' },
  { name: 'include_upstream', label: 'Upstream', meaning: 'everything that comes before it' },
  { name: 'include_past', label: 'Past', meaning: 'the same in all earlier runs', dated: true },
  { name: 'include_future', label: 'Future', meaning: 'the same in all later runs', dated: true },
]

/** Which relatives of a task go with it, as in Airflow. */
export function RelativesChoice({ value, onChange, hasDate, children }: Props) {
  return (
    <fieldset className={classes.options}>
      <legend className="visually-hidden">What goes with it</legend>
      {CHOICES.map(({ name, label, meaning, dated }) => (
        <Checkbox
          key={name}
          size="sm"
          label={label}
          description={dated === true && !hasDate ? 'this run has no logical date' : meaning}
          disabled={dated === true && !hasDate}
          checked={value[name] === true}
          onChange={(event) => onChange({ ...value, [name]: event.currentTarget.checked })}
        />
      ))}
      {children}
    </fieldset>
  )
}
