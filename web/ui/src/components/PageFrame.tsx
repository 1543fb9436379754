import { createTheme, MantineThemeProvider, Portal } from '@mantine/core'
import { useRouter, useRouterState } from '@tanstack/react-router'
import { createContext, useCallback, useContext, useEffect, useLayoutEffect, useRef, type FocusEvent, type ReactNode } from 'react'
import { pageOf } from '../paths'
import { FocusBack } from '../ui/focusBack'

/** What pages draw above themselves stands here: dialogs, menus and tooltips. */
const OVERLAYS = 'overlays'

const overlays = createTheme({ components: { Portal: Portal.extend({ defaultProps: { target: `#${OVERLAYS}` } }) } })

/** Gives the focus to a heading, if it is that of a page to which somebody has just come. */
type Arrive = (heading: HTMLElement | null) => void

const Arrival = createContext<Arrive>(() => undefined)

/**
 * Around every page. The page before stays in sight until the next one is there, and would go on to take what is typed and
 * clicked: it and its dialogs are inert from the moment in which it is left.
 */
export function PageFrame({ className, children }: { className?: string; children: ReactNode }) {
  const main = useRef<HTMLElement>(null)
  const above = useRef<HTMLDivElement>(null)
  const isLeaving = useRouterState({
    select: ({ status, location, resolvedLocation }) =>
      status === 'pending' && resolvedLocation !== undefined && pageOf(location) !== pageOf(resolvedLocation),
  })
  const arrive = useArrival()
  const last = useRef<HTMLElement>(null)
  const focusBack = useCallback(() => last.current?.focus({ preventScroll: true }), [])
  const remember = ({ target }: FocusEvent) => {
    // What is drawn above the page is part of it for React.
    if (target instanceof HTMLElement && main.current?.contains(target) === true) last.current = target
  }
  useLayoutEffect(() => {
    if (isLeaving) {
      // The browser would take the focus away only with the next picture, and a key may come before.
      for (const place of [main, above]) dropFocus(place.current)
    } else {
      // A page that had all it needs was drawn before this, and could not take the focus yet.
      arrive(main.current?.querySelector('h1') ?? null)
    }
  }, [isLeaving, arrive])
  return (
    <MantineThemeProvider theme={overlays}>
      <main ref={main} id="content" className={className} inert={isLeaving} onFocus={remember}>
        <FocusBack value={focusBack}>
          <Arrival value={arrive}>{children}</Arrival>
        </FocusBack>
      </main>
      <div ref={above} id={OVERLAYS} inert={isLeaving} />
    </MantineThemeProvider>
  )
}

function dropFocus(place: HTMLElement | null) {
  const { activeElement } = document
  if (activeElement instanceof HTMLElement && place?.contains(activeElement) === true) activeElement.blur()
}

/** The heading of a page: the focus goes there when somebody comes to the page, so that it is read out, and the next key acts on it. */
export function PageHeading({ className, children }: { className?: string; children: ReactNode }) {
  const arrive = useContext(Arrival)
  const heading = useRef<HTMLHeadingElement>(null)
  useLayoutEffect(() => arrive(heading.current), [arrive])
  return (
    <h1 ref={heading} tabIndex={-1} className={className}>
      {children}
    </h1>
  )
}

function useArrival(): Arrive {
  const router = useRouter()
  // At the first page the focus stays where the browser has it; who has just signed in comes from another.
  const awaited = useRef(router.state.resolvedLocation !== undefined)
  useEffect(
    () =>
      router.subscribe('onBeforeNavigate', ({ fromLocation, toLocation }) => {
        if (fromLocation !== undefined && pageOf(fromLocation) !== pageOf(toLocation)) awaited.current = true
      }),
    [router],
  )
  return useCallback((heading) => {
    if (!awaited.current || heading === null) return
    // Where the page is scrolled to is for the router to say.
    heading.focus({ preventScroll: true })
    // What is inert, or hidden, does not take it.
    if (document.activeElement === heading) awaited.current = false
  }, [])
}
