import { useSuspenseQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useDeferredValue } from 'react'
import { VARIABLES_PER_PAGE, variablesQuery } from '../../api/queries/variables'
import { ListPanel } from '../../components/ListPanel'
import { PageHead } from '../../components/PageHead'
import { NewButton } from '../../components/records/RecordButtons'
import { EmptyMessage } from '../../ui/EmptyMessage'
import { VariableDialog } from './VariableDialog'
import { VariableTable } from './VariableTable'

const route = getRouteApi('/signed-in/variables')

/** Values with names, for the templates of tasks. */
export function VariablesPage() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  // The list stays while another is asked for.
  const filter = useDeferredValue({ search: search.q, page: (search.page ?? 1) - 1 })
  const { data } = useSuspenseQuery(variablesQuery(filter))
  return (
    <>
      <PageHead
        documentTitle="Variables"
        title="Variables"
        description="Values that templates read: {{ var.value.name }}, or {{ var.json.name.part }}. They are encrypted; those whose names say that they are secret are not shown."
        actions={<NewButton kind="variable" dialog={(shown) => <VariableDialog {...shown} />} />}
      />
      <ListPanel
        noun="variable"
        by="name"
        search={search}
        onSearch={(to, options) => void navigate({ search: to, ...options })}
        list={{ shown: data.variables.length, total: data.total_entries, perPage: VARIABLES_PER_PAGE }}
        empty={
          <EmptyMessage icon="code" title="There is no variable yet">
            <p>
              Make one here, or with <code>updraft variables set</code>.
            </p>
          </EmptyMessage>
        }
      >
        <VariableTable variables={data.variables} />
      </ListPanel>
    </>
  )
}
