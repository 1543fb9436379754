/** One paragraph of plain text in which `this` is set as code. */
export function Prose({ text }: { text: string }) {
  return text.split('`').map((part, place) => (place % 2 === 1 ? <code key={place}>{part}</code> : part))
}
