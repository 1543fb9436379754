import type { ReactNode } from 'react'
import { readBlocks, readSpans, type Block } from '../lib/markdown'
import { Linked } from './Linked'
import classes from './Markdown.module.css'

/** Text as people write it in Markdown: what is usual of it; anything else stands as it was written. */
export function Markdown({ text }: { text: string }) {
  return <div className={classes.text}>{readBlocks(text).map(shown)}</div>
}

function shown(block: Block, place: number): ReactNode {
  switch (block.kind) {
    case 'heading':
      return (
        <p key={place} className={classes.heading}>
          <Spans text={block.text} />
        </p>
      )
    case 'code':
      return <pre key={place}>{block.text}</pre>
    case 'list':
      return (
        <ul key={place}>
          {block.items.map((item, at) => (
            <li key={at}>
              <Spans text={item} />
            </li>
          ))}
        </ul>
      )
    case 'paragraph':
      return (
        <p key={place}>
          <Spans text={block.text} />
        </p>
      )
  }
}

function Spans({ text }: { text: string }) {
  return readSpans(text).map((span, place) => {
    switch (span.kind) {
      case 'code':
        return <code key={place}>{span.text}</code>
      case 'strong':
        return <b key={place}>{span.text}</b>
      case 'emphasis':
        return <em key={place}>{span.text}</em>
      case 'link':
        return (
          <a key={place} href={span.href} target="_blank" rel="noreferrer">
            {span.text}
          </a>
        )
      case 'plain':
        return <Linked key={place} text={span.text} />
    }
  })
}
