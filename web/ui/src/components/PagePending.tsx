import { Skeleton } from '@mantine/core'

/** The shape of a page before its data is there. */
export function PagePending() {
  return (
    <div role="status" aria-label="Loading">
      <Skeleton height={14} width={120} mb={10} />
      <Skeleton height={26} width="min(420px, 70%)" mb={22} />
      <Skeleton height={44} mb={14} />
      <Skeleton height={320} />
    </div>
  )
}
