import type { CSSProperties } from 'react'

/** Drawn on a grid of 16, with one stroke: what `d` says is all there is. */
export const ICON_SHAPES = {
  alert: 'M8 2.2 14.6 13.4H1.4ZM8 6.4v3.2M8 11.5v.1',
  ban: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2ZM3.8 3.8l8.4 8.4',
  calendar: 'M2.5 3.5h11v10h-11ZM2.5 6.5h11M5.5 2v2.5M10.5 2v2.5',
  check: 'M3 8.5 6.5 12 13 4.5',
  chevronDown: 'm4 6 4 4 4-4',
  chevronLeft: 'm10 4-4 4 4 4',
  chevronRight: 'm6 4 4 4-4 4',
  chevronUp: 'm4 10 4-4 4 4',
  clock: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2ZM8 4.8V8l2.3 1.5',
  code: 'm5.5 4.5-3.5 3.5 3.5 3.5M10.5 4.5 14 8l-3.5 3.5',
  copy: 'M5.5 5.5h8v8h-8ZM10.5 5.5v-3h-8v8h3',
  cross: 'm4 4 8 8M12 4l-8 8',
  dash: 'M3.5 8h9',
  dots: 'M3.5 8h.01M8 8h.01M12.5 8h.01',
  database: 'M8 2c3 0 5 .9 5 2s-2 2-5 2-5-.9-5-2 2-2 5-2ZM3 4v8c0 1.1 2 2 5 2s5-.9 5-2V4M3 8c0 1.1 2 2 5 2s5-.9 5-2',
  download: 'M8 2.5V10M5 7l3 3 3-3M2.5 10.5v3h11v-3',
  fit: 'M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10',
  gantt: 'M2.5 3.5h6M5.5 8h6M9 12.5h4.5',
  gear: 'M8 5.8a2.2 2.2 0 1 0 0 4.4 2.2 2.2 0 0 0 0-4.4ZM8 1.8v2M8 12.2v2M1.8 8h2M12.2 8h2M3.6 3.6 5 5M11 11l1.4 1.4M12.4 3.6 11 5M5 11l-1.4 1.4',
  graph: 'M2 6h4v4H2ZM10 2h4v4h-4ZM10 10h4v4h-4ZM6 8h2M10 4H8v8h2',
  grid: 'M2.5 2.5h4v4h-4ZM9.5 2.5h4v4h-4ZM2.5 9.5h4v4h-4ZM9.5 9.5h4v4h-4Z',
  group: 'M2.5 5.5h8v8h-8ZM5.5 2.5h8v8',
  key: 'M5.5 7a3 3 0 1 0 0 6 3 3 0 0 0 0-6ZM7.6 7.9 13.5 2M11 4.5l2 2',
  link: 'M6.5 9.5 9.5 6.5M7 4.5l1.3-1.3a3.2 3.2 0 0 1 4.5 4.5L11.5 9M9 11.5l-1.3 1.3a3.2 3.2 0 0 1-4.5-4.5L4.5 7',
  list: 'M5.5 4h8M5.5 8h8M5.5 12h8M2.5 4h.01M2.5 8h.01M2.5 12h.01',
  moon: 'M13.5 9.8A6 6 0 0 1 6.2 2.5a6 6 0 1 0 7.3 7.3Z',
  pause: 'M5.5 3.5v9M10.5 3.5v9',
  pencil: 'M3 13l.6-2.8 7-7 2.2 2.2-7 7ZM9 4.8l2.2 2.2',
  play: 'M4.5 2.8v10.4L13 8Z',
  plus: 'M8 3v10M3 8h10',
  queue: 'M2.5 4h11M2.5 8h8M2.5 12h5',
  retry: 'M13 8a5 5 0 1 1-1.6-3.7M13 2.5v2.8h-2.8',
  restart: 'M2.5 7.2a5.5 5.5 0 0 1 9.8-2.6L13.5 6M13.5 2.8V6h-3.2M13.5 8.8a5.5 5.5 0 0 1-9.8 2.6L2.5 10M2.5 13.2V10h3.2',
  search: 'M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9ZM10.3 10.3l3.4 3.4',
  signOut: 'M6 2.5H2.5v11H6M10.5 11l3-3-3-3M13.5 8H6',
  skip: 'm3 3.5 5.5 4.5L3 12.5ZM12.5 3.5v9',
  sleep: 'M3 4h5L3 10h5M10 8h3.5L10 12.5h3.5',
  spinner: 'M8 2a6 6 0 1 1-6 6',
  star: 'm8 2 1.8 3.9 4.2.5-3.1 2.9.8 4.2L8 11.4l-3.7 2.1.8-4.2L2 6.4l4.2-.5Z',
  stop: 'M4 4h8v8H4Z',
  sun: 'M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6ZM8 1.5v1.3M8 13.2v1.3M1.5 8h1.3M13.2 8h1.3M3.4 3.4l.9.9M11.7 11.7l.9.9M12.6 3.4l-.9.9M4.3 11.7l-.9.9',
  table: 'M2.5 3h11v10h-11ZM2.5 6.5h11M2.5 9.7h11M6.5 6.5V13',
  tag: 'M2.5 2.5h5l6 6-5 5-6-6ZM5.2 5.2h.01',
  timer: 'M8 4a5 5 0 1 0 0 10A5 5 0 0 0 8 4ZM8 6.5V9M6.5 1.8h3',
  toEnd: 'M8 2.5v8M4.8 7.5 8 10.7l3.2-3.2M3 13.5h10',
  trash: 'M3 4.5h10M6 4.5v-2h4v2M4.5 4.5l.6 9h5.8l.6-9M6.8 7v4M9.2 7v4',
  user: 'M8 2.5a2.7 2.7 0 1 0 0 5.4 2.7 2.7 0 0 0 0-5.4ZM2.8 13.5a5.2 5.2 0 0 1 10.4 0',
  wrap: 'M2.5 3.5h11M2.5 8h8.7a2.2 2.2 0 0 1 0 4.5H8M9.5 10.8 7.8 12.5l1.7 1.7M2.5 12.5h2.5',
} as const

export type IconName = keyof typeof ICON_SHAPES

interface Props {
  name: IconName
  size?: number
  /** Turns without end: for what is under way. */
  spinning?: boolean
  style?: CSSProperties
}

/** A picture beside a word or in a labelled control; it says nothing of its own to a screen reader. */
export function Icon({ name, size = 16, spinning = false, style }: Props) {
  return (
    <svg
      aria-hidden="true"
      className={spinning ? 'icon-spinning' : undefined}
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth={1.6}
      strokeLinecap="round"
      strokeLinejoin="round"
      style={{ flex: 'none', ...style }}
    >
      <path d={ICON_SHAPES[name]} />
    </svg>
  )
}
