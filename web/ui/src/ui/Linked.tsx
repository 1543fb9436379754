import { splitLinks } from '../lib/links'

/** Text in which addresses of the web are links. */
export function Linked({ text }: { text: string }) {
  return splitLinks(text).map((piece, place) =>
    piece.href === null ? (
      piece.text
    ) : (
      <a key={place} href={piece.href} target="_blank" rel="noreferrer">
        {piece.text}
      </a>
    ),
  )
}
