/**
 * Has something open only while the page is seen; what it returns closes it for good.
 *
 * A browser has six connections to a server for all of its tabs together, and a stream holds one: a few tabs in the background
 * would leave none for the page in front, which then waits for ever.
 */
export function whileSeen(open: () => void, close: () => void): () => void {
  const look = () => {
    if (document.hidden) close()
    else open()
  }
  document.addEventListener('visibilitychange', look)
  if (!document.hidden) open()
  return () => {
    document.removeEventListener('visibilitychange', look)
    close()
  }
}
