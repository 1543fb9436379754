import type { DagDetails } from '../api/model'

/** Whom to ask, each with where they are reached if the DAG says so. */
export function Owners({ dag }: { dag: Pick<DagDetails, 'owners' | 'owner_links'> }) {
  const links: Record<string, unknown> = dag.owner_links ?? {}
  return dag.owners.map((owner, place) => {
    const link = links[owner]
    return (
      <span key={owner}>
        {place > 0 && ', '}
        {typeof link === 'string' && isAddress(link) ? (
          <a href={link} target="_blank" rel="noreferrer">
            {owner}
          </a>
        ) : (
          owner
        )}
      </span>
    )
  })
}

/** What a DAG file may name; anything else is no link, whoever wrote it. */
function isAddress(link: string): boolean {
  return /^(https?:\/\/|mailto:)/.test(link)
}
