import { ActionIcon, Menu, Tooltip, UnstyledButton, useComputedColorScheme, useMantineColorScheme } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi, Link, Outlet, useNavigate } from '@tanstack/react-router'
import { messageOf } from '../api/errors'
import { importErrorsQuery } from '../api/queries/dags'
import { requiredActionsQuery } from '../api/queries/hitl'
import { meQuery, signOut, versionQuery } from '../api/queries/session'
import { plural } from '../lib/numbers'
import { paths } from '../paths'
import { Icon } from '../ui/Icon'
import { Logo } from '../ui/Logo'
import { toast } from '../ui/toast'
import { LostStrip } from './LiveStatus'
import { PageFrame } from './PageFrame'
import { PagePending } from './PagePending'
import classes from './Shell.module.css'

const route = getRouteApi('/signed-in')

/** What stands around every page of a signed-in person. */
export function Shell() {
  const { live } = route.useRouteContext()
  return (
    <>
      <a href="#content" className={classes.skip}>
        Skip to content
      </a>
      <header className={classes.bar}>
        <Link {...paths.dags()} className={classes.brand} aria-label="Updraft, all DAGs">
          <Logo size={24} />
          <span className={classes.name}>Updraft</span>
        </Link>
        <nav className={classes.nav} aria-label="Main">
          <Link {...paths.dags()} className={classes.link} activeProps={{ className: classes.active }}>
            DAGs
          </Link>
          <Link {...paths.assets()} className={classes.link} activeProps={{ className: classes.active }}>
            Assets
          </Link>
          <Link {...paths.backfills()} className={classes.link} activeProps={{ className: classes.active }}>
            Backfills
          </Link>
          <Link {...paths.callbacks()} className={classes.link} activeProps={{ className: classes.active }}>
            Callbacks
          </Link>
          <Link {...paths.pools()} className={classes.link} activeProps={{ className: classes.active }}>
            Pools
          </Link>
          <Link {...paths.connections()} className={classes.link} activeProps={{ className: classes.active }}>
            Connections
          </Link>
          <Link {...paths.variables()} className={classes.link} activeProps={{ className: classes.active }}>
            Variables
          </Link>
          <RequiredActionsLink />
          <ImportErrorsLink />
        </nav>
        <SchemeToggle />
        <UserMenu />
      </header>
      <LostStrip live={live} />
      <PageFrame className={classes.main}>
        <Outlet />
      </PageFrame>
    </>
  )
}

/** The shell before it is known who is there. */
export function ShellPending() {
  return (
    <>
      <div className={classes.bar}>
        <span className={classes.brand}>
          <Logo size={24} />
          <span className={classes.name}>Updraft</span>
        </span>
      </div>
      <div className={classes.main}>
        <PagePending />
      </div>
    </>
  )
}

function RequiredActionsLink() {
  const count = useQuery(requiredActionsQuery).data?.total_entries ?? 0
  return (
    <Link {...paths.requiredActions()} className={classes.link} activeProps={{ className: classes.active }}>
      <span className={classes.long}>Required actions</span>
      <span className={classes.short}>Actions</span>
      {count > 0 && (
        <span className={classes.count} data-tone="notice" title={plural(count, 'task waits', 'tasks wait') + ' for an answer'}>
          {count}
        </span>
      )}
    </Link>
  )
}

function ImportErrorsLink() {
  const errors = useQuery(importErrorsQuery)
  const count = errors.data?.total_entries ?? 0
  return (
    <Link {...paths.importErrors()} className={classes.link} activeProps={{ className: classes.active }}>
      <span className={classes.long}>Import errors</span>
      <span className={classes.short}>Errors</span>
      {count > 0 && (
        <span className={classes.count} data-tone="bad" title={plural(count, 'DAG file does', 'DAG files do') + ' not load'}>
          {count}
        </span>
      )}
    </Link>
  )
}

function SchemeToggle() {
  const { setColorScheme } = useMantineColorScheme()
  const scheme = useComputedColorScheme('light', { getInitialValueInEffect: false })
  const other = scheme === 'light' ? 'dark' : 'light'
  return (
    <Tooltip label={`Switch to ${other} colours`}>
      <ActionIcon size="lg" aria-label={`Switch to ${other} colours`} onClick={() => setColorScheme(other)}>
        <Icon name={scheme === 'light' ? 'moon' : 'sun'} />
      </ActionIcon>
    </Tooltip>
  )
}

function UserMenu() {
  const me = useQuery(meQuery)
  const version = useQuery(versionQuery)
  const queries = useQueryClient()
  const navigate = useNavigate()
  const { live } = route.useRouteContext()

  const leave = async () => {
    try {
      await signOut()
    } catch (error) {
      toast.bad('You are still signed in', messageOf(error))
      return
    }
    live.stop()
    queries.clear()
    await navigate(paths.login())
  }

  const name = me.data?.username ?? '…'
  return (
    <Menu position="bottom-end" width={220}>
      <Menu.Target>
        <UnstyledButton className={classes.user} aria-label={`Account of ${name}`}>
          <span className={classes.avatar}>{name.slice(0, 1).toUpperCase()}</span>
          <span className={classes.long}>{name}</span>
          <Icon name="chevronDown" size={13} />
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          Signed in as {name}
          {me.data !== undefined && ` (${me.data.role})`}
        </Menu.Label>
        <Menu.Item component="a" href="/openapi.json" target="_blank" leftSection={<Icon name="code" />}>
          REST API document
        </Menu.Item>
        <Menu.Item leftSection={<Icon name="signOut" />} onClick={() => void leave()}>
          Sign out
        </Menu.Item>
        {version.data !== undefined && (
          <>
            <Menu.Divider />
            <Menu.Label>Updraft {version.data.version}</Menu.Label>
          </>
        )}
      </Menu.Dropdown>
    </Menu>
  )
}
