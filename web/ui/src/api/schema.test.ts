// @vitest-environment node
import { readFile } from 'node:fs/promises'
import openapiTS, { astToString, COMMENT_HEADER } from 'openapi-typescript'
import { expect, test } from 'vitest'

test('the typed client is that of the OpenAPI document (npm run generate writes it anew)', async () => {
  const document = new URL('../../../openapi.json', import.meta.url)
  const generated = COMMENT_HEADER + astToString(await openapiTS(document, { defaultNonNullable: false }))

  const committed = await readFile(new URL('./schema.gen.ts', import.meta.url), 'utf8')

  // Not toEqual: a difference of thousands of lines says no more than this.
  expect(committed === generated, 'src/api/schema.gen.ts is stale: run `npm run generate` and commit it').toBe(true)
  // A document of ten thousand lines takes a while on a machine that does other work as well.
}, 60_000)
