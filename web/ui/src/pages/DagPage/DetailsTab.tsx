import { useQuery } from '@tanstack/react-query'
import type { DagDetails } from '../../api/model'
import { nextRunsQuery } from '../../api/queries/dags'
import { Owners } from '../../components/Owners'
import { Schedule } from '../../components/Schedule'
import { Time } from '../../components/Time'
import { readParams } from '../../components/trigger/params'
import { cellText } from '../../lib/csv'
import { CodeBlock } from '../../ui/CodeBlock'
import { Facts } from '../../ui/Facts'
import { Panel } from '../../ui/Panel'
import { Prose } from '../../ui/Prose'
import classes from './DagPage.module.css'

interface Props {
  dag: DagDetails
  zone: string
}

export function DetailsTab({ dag, zone }: Props) {
  return (
    <div className={classes.details}>
      <div className={classes.column}>
      <Panel title="When it runs">
        <Facts
          facts={[
            ['Schedule', <Schedule key="schedule" dag={dag} />],
            ['Time zone', zone],
            ['Start date', dag.start_date !== null && <Time at={dag.start_date} zone={zone} as="zoned" />],
            ['End date', dag.end_date !== null && <Time at={dag.end_date} zone={zone} as="zoned" />],
            ['Catch up', dag.timetable_summary !== null && (dag.catchup ? 'Yes: runs that were missed are made up for' : 'No: only the latest run is made up for')],
            ['Active runs at once', dag.max_active_runs ?? 'no limit'],
            ['Active tasks per run', dag.max_active_tasks],
            ['Run time limit', dag.dag_run_timeout],
          ]}
        />
      </Panel>
      <ParamsPanel dag={dag} />
      <Panel title="Default args">
        {Object.keys(dag.default_args ?? {}).length === 0 ? (
          <span className={classes.quiet}>None</span>
        ) : (
          <CodeBlock text={JSON.stringify(dag.default_args, null, 2)} label="Default args" />
        )}
      </Panel>
      </div>
      <div className={classes.column}>
      <Panel title="Next runs" flush>
        <NextRuns dag={dag} zone={zone} />
      </Panel>
      <Panel title="Where it comes from">
        <Facts
          facts={[
            ['File', <code key="file">{dag.fileloc}</code>],
            ['Version', dag.latest_dag_version?.version_number],
            ['Loaded', dag.last_parsed_time !== null && <Time at={dag.last_parsed_time} zone={zone} as="relative" />],
            ['Owner', <Owners key="owner" dag={dag} />],
          ]}
        />
      </Panel>
      {dag.doc_md !== null && (
        <Panel title="Documentation">
          <CodeBlock text={dag.doc_md} label="Documentation" wrap />
        </Panel>
      )}
      </div>
    </div>
  )
}

function NextRuns({ dag, zone }: Props) {
  const next = useQuery(nextRunsQuery(dag.dag_id)).data
  if (next === undefined) return null
  if (next.runs.length === 0) return <p className={classes.none}>Nothing is scheduled.</p>
  return (
    <table className={classes.table}>
      <thead>
        <tr>
          <th>Runs at</th>
          <th>{typeof next.runs[0]?.partition_key === 'string' ? 'Partition' : 'Logical date'}</th>
          <th>In</th>
        </tr>
      </thead>
      <tbody>
        {next.runs.map((run) => (
          <tr key={run.run_after} data-faint={dag.is_paused || undefined}>
            <td>
              <Time at={run.run_after} zone={zone} as="zoned" />
            </td>
            <td>
              {run.partition_key ?? <Time at={run.logical_date} zone={zone} as="zoned" />}
            </td>
            <td>{dag.is_paused ? 'paused' : <Time at={run.run_after} zone={zone} as="relative" />}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function ParamsPanel({ dag }: { dag: DagDetails }) {
  const params = readParams(dag.params)
  return (
    <Panel title="Params" flush={params.length > 0}>
      {params.length === 0 ? (
        <span className={classes.quiet}>None</span>
      ) : (
        // What scrolls on a narrow screen is reached with the keyboard too.
        <div className={classes.scroll} tabIndex={0} role="region" aria-label="Table of params">
          <table className={classes.table}>
            <thead>
              <tr>
                <th>Name</th>
                <th>Default</th>
                <th>Meaning</th>
              </tr>
            </thead>
            <tbody>
              {params.map((param) => (
                <tr key={param.name}>
                  <td>
                    <code>{param.name}</code>
                  </td>
                  <td>
                    <code>{param.value === null || param.value === undefined ? '–' : cellText(param.value)}</code>
                  </td>
                  <td className={classes.meaning}>
                    {param.description !== null && <Prose text={param.description} />}
                    {param.schema.enum !== undefined && (
                      <div className={classes.quiet}>One of {param.schema.enum.map(cellText).join(', ')}</div>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  )
}
