import { useLayoutEffect, useRef, useState } from 'react'

const NEAR_END_PX = 24

/**
 * Keeps a box at its end while lines come. Scrolling up lets go, scrolling to the end takes hold again.
 *
 * A log that is over opens at its start, one that runs at its end.
 */
export function useFollow(length: number, live: boolean) {
  const box = useRef<HTMLDivElement>(null)
  const [following, setFollowing] = useState(live)

  useLayoutEffect(() => {
    if (following && box.current !== null) box.current.scrollTop = box.current.scrollHeight
  }, [following, length])

  const onScroll = () => {
    const at = box.current
    if (at === null) return
    const atEnd = at.scrollHeight - at.scrollTop - at.clientHeight < NEAR_END_PX
    if (following && !atEnd) setFollowing(false)
    if (!following && atEnd && live) setFollowing(true)
  }

  return { box, following, setFollowing, onScroll }
}
