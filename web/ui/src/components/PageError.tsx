import { Button } from '@mantine/core'
import { useDocumentTitle } from '@mantine/hooks'
import { useQueryErrorResetBoundary } from '@tanstack/react-query'
import { Link, useRouter, type ErrorComponentProps } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { ApiError, messageOf } from '../api/errors'
import { paths } from '../paths'
import { EmptyMessage } from '../ui/EmptyMessage'
import { Icon } from '../ui/Icon'
import { LinkButton } from './LinkButton'
import classes from './PageError.module.css'
import { PageHeading } from './PageFrame'

/** What a page shows that cannot be shown: the server's words, and a way on. */
export function PageError({ error, reset }: ErrorComponentProps) {
  const router = useRouter()
  const boundary = useQueryErrorResetBoundary()
  const again = () => {
    boundary.reset()
    reset()
    void router.invalidate()
  }
  const missing = error instanceof ApiError && error.status === 404
  return (
    <EmptyMessage icon={missing ? 'search' : 'alert'} title={<Heading text={missing ? 'There is nothing here' : 'This page did not load'} />}>
      <p>{messageOf(error)}</p>
      <Button.Group style={{ justifyContent: 'center' }}>
        <Button variant="default" onClick={again} leftSection={<Icon name="retry" />}>
          Try again
        </Button>
        <LinkButton {...paths.dags()} variant="default">
          All DAGs
        </LinkButton>
      </Button.Group>
    </EmptyMessage>
  )
}

/** In place of everything behind the sign-in, when it is not known who is there. */
export function Unreached(props: ErrorComponentProps) {
  return (
    <Alone>
      <PageError {...props} />
    </Alone>
  )
}

/** At an address of no page. */
export function Nowhere() {
  return (
    <Alone>
      <NotFound />
    </Alone>
  )
}

/** Around what stands without the shell, whose landmark it does not have. */
function Alone({ children }: { children: ReactNode }) {
  return <main>{children}</main>
}

export function NotFound() {
  return (
    <EmptyMessage icon="search" title={<Heading text="There is no such page" />}>
      <p>
        The address may be mistyped. <Link {...paths.dags()}>All DAGs</Link>
      </p>
    </EmptyMessage>
  )
}

function Heading({ text }: { text: string }) {
  useDocumentTitle(`${text} · Updraft`)
  return <PageHeading className={classes.heading}>{text}</PageHeading>
}
