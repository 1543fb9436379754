/** A part of a text that stands by itself. */
export type Block =
  | { kind: 'heading' | 'paragraph' | 'code'; text: string }
  | { kind: 'list'; items: string[] }

/** A stretch of a line that is set alike. */
export type Span =
  | { kind: 'plain' | 'strong' | 'emphasis' | 'code'; text: string }
  | { kind: 'link'; text: string; href: string }

const FENCE = '```'
const ITEM = /^\s*(?:[-*+]|\d+[.)])\s+/
const HEADING = /^#{1,6}\s+/

/** Takes a text in Markdown apart: headings, lists, code between fences, and paragraphs. */
export function readBlocks(text: string): Block[] {
  const blocks: Block[] = []
  let code: string[] | undefined
  let open: Block | undefined
  for (const line of text.replaceAll('\r\n', '\n').split('\n')) {
    if (line.trimStart().startsWith(FENCE)) {
      if (code !== undefined) blocks.push({ kind: 'code', text: code.join('\n') })
      code = code === undefined ? [] : undefined
      open = undefined
    } else if (code !== undefined) {
      code.push(line)
    } else if (line.trim() === '') {
      open = undefined
    } else if (HEADING.test(line)) {
      blocks.push({ kind: 'heading', text: line.replace(HEADING, '') })
      open = undefined
    } else if (ITEM.test(line)) {
      const item = line.replace(ITEM, '')
      if (open?.kind === 'list') open.items.push(item)
      else blocks.push((open = { kind: 'list', items: [item] }))
    } else if (open?.kind === 'list') {
      open.items.push(`${open.items.pop()} ${line.trim()}`)
    } else if (open !== undefined) {
      open.text += `\n${line}`
    } else {
      blocks.push((open = { kind: 'paragraph', text: line }))
    }
  }
  if (code !== undefined) blocks.push({ kind: 'code', text: code.join('\n') })
  return blocks
}

const SPAN = /`([^`]+)`|\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*|\[([^\]]+)\]\((https?:\/\/[^\s)]+)\)/g

/** Takes a paragraph apart: code, bold, italics, links to the web, and the rest. */
export function readSpans(text: string): Span[] {
  const spans: Span[] = []
  let end = 0
  for (const found of text.matchAll(SPAN)) {
    if (found.index > end) spans.push({ kind: 'plain', text: text.slice(end, found.index) })
    const [whole, code, strong, emphasis, name, href] = found
    if (code !== undefined) spans.push({ kind: 'code', text: code })
    else if (strong !== undefined) spans.push({ kind: 'strong', text: strong })
    else if (emphasis !== undefined) spans.push({ kind: 'emphasis', text: emphasis })
    else if (name !== undefined && href !== undefined) spans.push({ kind: 'link', text: name, href })
    end = found.index + whole.length
  }
  if (end < text.length) spans.push({ kind: 'plain', text: text.slice(end) })
  return spans
}
