import { ActionIcon } from '@mantine/core'
import { messageOf } from '../api/errors'
import { useFavoriteDag } from '../api/queries/dags'
import { Icon } from '../ui/Icon'
import { toast } from '../ui/toast'
import classes from './FavoriteButton.module.css'

interface Props {
  dagId: string
  isFavorite: boolean
}

/** Filled while the DAG is a favourite. */
export function FavoriteButton({ dagId, isFavorite }: Props) {
  const favorite = useFavoriteDag(dagId)
  // It fills at once, and empties again if the server refuses.
  const shown = favorite.isPending ? favorite.variables : isFavorite
  return (
    <ActionIcon
      size="sm"
      variant="subtle"
      className={classes.star}
      data-tone="notice"
      aria-label={`${dagId} is a favourite`}
      aria-pressed={shown}
      onClick={() => favorite.mutate(!shown, { onError: (error) => toast.bad(`${dagId} did not change`, messageOf(error)) })}
    >
      <Icon name="star" size={14} />
    </ActionIcon>
  )
}
