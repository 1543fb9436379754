/** Updraft's mark: two currents that rise, the warm one ahead. */
export function Logo({ size = 26 }: { size?: number }) {
  return (
    <svg aria-hidden="true" width={size} height={size} viewBox="0 0 32 32" fill="none" style={{ flex: 'none' }}>
      <g strokeLinecap="round" strokeLinejoin="round" strokeWidth={3}>
        <path d="M3.5 27c5.5-1 8-4.5 8-10.5V6" stroke="currentColor" />
        <path d="m6 11.5 5.5-5.5 5.5 5.5" stroke="currentColor" />
        <path d="M14 27.5c5.5-1 8-4 8-9V15" stroke="var(--ember)" />
        <path d="m16.5 20.5 5.5-5.5 5.5 5.5" stroke="var(--ember)" />
      </g>
    </svg>
  )
}
