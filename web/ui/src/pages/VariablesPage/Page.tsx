import { Button } from '@mantine/core'
import { useSuspenseQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useDeferredValue, useState } from 'react'
import { VARIABLES_PER_PAGE, variablesQuery } from '../../api/queries/variables'
import { PageHead } from '../../components/PageHead'
import { plural } from '../../lib/numbers'
import { EmptyMessage } from '../../ui/EmptyMessage'
import { Icon } from '../../ui/Icon'
import { Pages } from '../../ui/Pages'
import { Panel } from '../../ui/Panel'
import { SearchField } from '../../ui/SearchField'
import { VariableDialog } from './VariableDialog'
import classes from './VariablesPage.module.css'
import { VariableTable } from './VariableTable'

const route = getRouteApi('/signed-in/variables')

/** Values with names, for the templates of tasks. */
export function VariablesPage() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const page = search.page ?? 1
  // The list stays while another is asked for.
  const filter = useDeferredValue({ search: search.q, page: page - 1 })
  const { data } = useSuspenseQuery(variablesQuery(filter))
  const [making, setMaking] = useState(false)
  return (
    <>
      <PageHead
        documentTitle="Variables"
        title="Variables"
        description="Values that templates read: {{ var.value.name }}, or {{ var.json.name.part }}. They are encrypted; those whose names say that they are secret are not shown."
        actions={
          <Button leftSection={<Icon name="plus" size={14} />} onClick={() => setMaking(true)}>
            New variable
          </Button>
        }
      />
      <Panel
        flush
        title={plural(data.total_entries, 'variable')}
        aside={
          <SearchField
            label="Search variables by name"
            className={classes.search}
            value={search.q ?? ''}
            onChange={(q) => void navigate({ search: { q: q === '' ? undefined : q }, replace: true })}
          />
        }
      >
        {data.variables.length > 0 ? (
          <VariableTable variables={data.variables} />
        ) : search.q === undefined ? (
          <EmptyMessage icon="code" title="There is no variable yet">
            <p>
              Make one here, or with <code>updraft variables set</code>.
            </p>
          </EmptyMessage>
        ) : (
          <EmptyMessage icon="search" title="No variable has that in its name" />
        )}
        <Pages
          total={Math.ceil(data.total_entries / VARIABLES_PER_PAGE)}
          page={page}
          onChange={(to) => void navigate({ search: { ...search, page: to > 1 ? to : undefined } })}
        />
      </Panel>
      <VariableDialog opened={making} onClose={() => setMaking(false)} />
    </>
  )
}
