const COUNT = new Intl.NumberFormat('en-GB')

/** `11,154`; fractions keep up to three digits. */
export function formatCount(value: number): string {
  return COUNT.format(value)
}

/** `1 task`, `3 tasks`: the plural adds an s unless told otherwise. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`
}
