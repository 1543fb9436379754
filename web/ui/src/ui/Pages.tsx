/** The pages of a table, below it; nothing while there is one. */
import { Pagination } from '@mantine/core'
import classes from './Pages.module.css'

export function Pages({ total, page, onChange }: { total: number; page: number; onChange: (to: number) => void }) {
  if (total <= 1) return null
  return (
    <div className={classes.pages}>
      <Pagination
        size="sm"
        total={total}
        value={page}
        onChange={onChange}
        getControlProps={(control) => ({ 'aria-label': `Go to the ${control} page` })}
      />
    </div>
  )
}
