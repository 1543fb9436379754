import { SegmentedControl } from '@mantine/core'
import { useSuspenseQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useDeferredValue } from 'react'
import { CALLBACKS_PER_PAGE, callbacksQuery } from '../../api/queries/callbacks'
import { CALLBACK_FACES, CallbackTable } from '../../components/callbacks/CallbackTable'
import { PageHead } from '../../components/PageHead'
import { plural } from '../../lib/numbers'
import { callbacksSearch, CALLBACK_STATES } from '../../search'
import { EmptyMessage } from '../../ui/EmptyMessage'
import { Pages } from '../../ui/Pages'
import { Panel } from '../../ui/Panel'

const route = getRouteApi('/signed-in/callbacks')

const ALL = { value: 'all', label: 'All' }
const CHOICES = [ALL, ...CALLBACK_STATES.map((value) => ({ value, label: CALLBACK_FACES[value].label }))]

/** What the runs of all DAGs told to whom, and what could not be told. */
export function CallbacksPage() {
  const navigate = route.useNavigate()
  const { state, page = 1 } = route.useSearch()
  // The list stays while another one is asked for.
  const shown = useDeferredValue({ state, page })
  const { data } = useSuspenseQuery(callbacksQuery({ state: shown.state, page: shown.page - 1 }))
  const pages = Math.ceil(data.total_entries / CALLBACKS_PER_PAGE)
  return (
    <>
      <PageHead
        documentTitle="Callbacks"
        title="Callbacks"
        description="What was told to whom when tasks and runs began, failed or ended. What fails is tried again for a day."
      />
      <Panel
        flush
        title={plural(data.total_entries, 'callback')}
        aside={
          <SegmentedControl
            size="xs"
            aria-label="State"
            data={CHOICES}
            value={state ?? ALL.value}
            onChange={(value) => void navigate({ search: callbacksSearch({ state: value }) })}
          />
        }
      >
        {data.callbacks.length > 0 ? (
          <CallbackTable ofSeveral callbacks={data.callbacks} />
        ) : (
          <EmptyMessage icon="check" title="No callbacks here">
            <p>
              A DAG or a task with <code>on_failure_callback</code> and the like tells people and programs what became of it.
            </p>
          </EmptyMessage>
        )}
        <Pages total={pages} page={page} onChange={(to) => void navigate({ search: { state, page: to > 1 ? to : undefined } })} />
      </Panel>
    </>
  )
}
