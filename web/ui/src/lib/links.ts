/** A piece of text; `href` is where it leads, if it is an address. */
export interface Piece {
  text: string
  href: string | null
}

const ADDRESS = /(https?:\/\/[^\s<>"'`]+)/

/** What ends a sentence, or a bracket around an address, and not the address. */
const AFTER = /[.,;:!?)\]}]+$/

/** Takes text apart into addresses of the web and what stands between them. */
export function splitLinks(text: string): Piece[] {
  if (!text.includes('://')) return [{ text, href: null }]
  return text.split(ADDRESS).flatMap((part, place) => {
    if (place % 2 === 0) return part === '' ? [] : [{ text: part, href: null }]
    const address = part.replace(AFTER, '')
    const rest = part.slice(address.length)
    return [{ text: address, href: address }, ...(rest === '' ? [] : [{ text: rest, href: null }])]
  })
}
