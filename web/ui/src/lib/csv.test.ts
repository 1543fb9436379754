import { expect, test } from 'vitest'
import { toCsv } from './csv'

test('fields are quoted only where they must be', () => {
  const csv = toCsv(['country', 'note'], [
    ['Chad', 'plain'],
    ["Cote d'Ivoire", 'a, b'],
    [null, 'he said "no"\nand left'],
    [3, [1.5, 2]],
  ])

  expect(csv).toBe(
    'country,note\r\nChad,plain\r\nCote d\'Ivoire,"a, b"\r\n,"he said ""no""\nand left"\r\n3,"[1.5,2]"\r\n',
  )
})
