import { expect, test } from 'vitest'
import { splitLinks } from './links'

const links = (text: string) => splitLinks(text).flatMap((piece) => (piece.href === null ? [] : [piece.href]))

test('addresses are links, and what ends a sentence is not part of them', () => {
  const page = 'https://dbc-1.cloud.databricks.com/?o=1#job/0/run/7'
  expect(links(page)).toEqual([page])
  expect(links(`waits for run 7 of Databricks, ${page}`)).toEqual([page])
  expect(links(`failed (${page}); look there.`)).toEqual([page])
  expect(links(`{"url": "${page}"}, http://a.example/b.`)).toEqual([page, 'http://a.example/b'])
})

test('nothing else is a link, and no text is lost', () => {
  for (const text of ['', 'plain', 'javascript:alert(1)', 's3://bucket/key', 'ftp://x', 'see http:// there']) {
    expect(links(text)).toEqual([])
    expect(splitLinks(text).map((piece) => piece.text).join('')).toBe(text)
  }
  const text = 'a http://x/y). b'
  expect(splitLinks(text).map((piece) => piece.text).join('')).toBe(text)
})
