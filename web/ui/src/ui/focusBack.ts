import { createContext, useContext, useEffect } from 'react'

/** Gives the focus back to what had it last in the page itself. */
export const FocusBack = createContext<() => void>(() => undefined)

/**
 * For what stands in a dialog that an entry of a menu opens: once it is gone, the focus is where it was before the menu, which the
 * dialog cannot know, and not at the top of the page.
 */
export function useFocusBack(): void {
  const focusBack = useContext(FocusBack)
  useEffect(
    () => () => {
      // Only once it is gone is the focus nowhere.
      setTimeout(() => {
        if (document.activeElement === document.body) focusBack()
      })
    },
    [focusBack],
  )
}
