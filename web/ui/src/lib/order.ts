const NAMES = new Intl.Collator('en', { numeric: true })

/** Names as people sort them: `task9` before `task10`. */
export function byName(a: string, b: string): number {
  return NAMES.compare(a, b)
}
