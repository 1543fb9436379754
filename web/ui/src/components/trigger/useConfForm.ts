import { useState } from 'react'
import { draftOf, readConf, readDraft, type Draft, type Param } from './params'

/** The conf under edit, as a field per param or as one JSON text; changing sides carries the values over. */
export function useConfForm(params: Param[], conf: Record<string, unknown> | null) {
  const [mode, setModeState] = useState<'form' | 'json'>(params.length > 0 ? 'form' : 'json')
  const [drafts, setDrafts] = useState(() => draftsFrom(params, conf ?? {}))
  // Values that no param has a field for; they go along.
  const [others, setOthers] = useState(() => unknownTo(params, conf ?? {}))
  const [json, setJson] = useState(() => (params.length > 0 ? '' : pretty(conf ?? {})))
  const [checked, setChecked] = useState(false)

  const readings = params.map((param) => [param.name, readDraft(param, drafts[param.name] ?? '')] as const)
  const problems: Record<string, string | undefined> = {}
  if (checked) for (const [name, reading] of readings) problems[name] = reading.problem
  // What is wrong goes along as it was typed, for whoever goes on with it as JSON; without it the default would be taken.
  const typed = (name: string): [string, unknown][] => {
    const draft = drafts[name] ?? ''
    return draft === '' ? [] : [[name, draft]]
  }
  const values = () => ({
    ...others,
    ...Object.fromEntries(readings.flatMap(([name, reading]): [string, unknown][] => ('value' in reading ? [[name, reading.value]] : typed(name)))),
  })

  const setMode = (next: 'form' | 'json') => {
    if (next === mode) return
    if (next === 'json') {
      setJson(pretty(values()))
    } else {
      const reading = readConf(json)
      if ('problem' in reading) return
      setDrafts(draftsFrom(params, reading.conf))
      setOthers(unknownTo(params, reading.conf))
    }
    setModeState(next)
  }

  /** The conf, or undefined when a field is wrong: then it says so. */
  const read = (): Record<string, unknown> | undefined => {
    setChecked(true)
    if (mode === 'json') {
      const reading = readConf(json)
      return 'conf' in reading ? reading.conf : undefined
    }
    return readings.some(([, reading]) => reading.problem !== undefined) ? undefined : values()
  }

  return {
    mode,
    setMode,
    drafts,
    setDraft: (name: string, draft: Draft) => setDrafts((before) => ({ ...before, [name]: draft })),
    problems,
    json,
    setJson,
    read,
  }
}

function draftsFrom(params: Param[], conf: Record<string, unknown>): Record<string, Draft> {
  return Object.fromEntries(
    params.map((param) => [param.name, draftOf(param, param.name in conf ? conf[param.name] : param.value)]),
  )
}

function unknownTo(params: Param[], conf: Record<string, unknown>): Record<string, unknown> {
  const known = new Set(params.map((param) => param.name))
  return Object.fromEntries(Object.entries(conf).filter(([name]) => !known.has(name)))
}

function pretty(value: unknown): string {
  return JSON.stringify(value, null, 2)
}
