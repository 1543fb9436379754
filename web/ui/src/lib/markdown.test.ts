import { expect, test } from 'vitest'
import { readBlocks, readSpans } from './markdown'

test('a text is taken apart into what stands by itself', () => {
  expect(readBlocks('# Figures\nof today\n\n- one\n  more\n- two\n\n1. first\n```\na  b\n\n```\nend')).toEqual([
    { kind: 'heading', text: 'Figures' },
    { kind: 'paragraph', text: 'of today' },
    { kind: 'list', items: ['one more', 'two'] },
    { kind: 'list', items: ['first'] },
    { kind: 'code', text: 'a  b\n' },
    { kind: 'paragraph', text: 'end' },
  ])
  expect(readBlocks('```\nnot closed')).toEqual([{ kind: 'code', text: 'not closed' }])
  expect(readBlocks('')).toEqual([])
})

test('a paragraph is taken apart into what is set alike', () => {
  expect(readSpans('**Three** rows, `a*b`, *late*: [why](https://example.com/x) 2 * 3 * 4')).toEqual([
    { kind: 'strong', text: 'Three' },
    { kind: 'plain', text: ' rows, ' },
    { kind: 'code', text: 'a*b' },
    { kind: 'plain', text: ', ' },
    { kind: 'emphasis', text: 'late' },
    { kind: 'plain', text: ': ' },
    { kind: 'link', text: 'why', href: 'https://example.com/x' },
    { kind: 'plain', text: ' 2 * 3 * 4' },
  ])
})

test('an address that runs a script is no link', () => {
  expect(readSpans('[x](javascript:alert(1))')).toEqual([{ kind: 'plain', text: '[x](javascript:alert(1))' }])
})
