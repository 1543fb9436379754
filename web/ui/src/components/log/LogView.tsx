import { Select } from '@mantine/core'
import { useHotkeys, useLocalStorage } from '@mantine/hooks'
import { useMemo, useRef, useState } from 'react'
import type { LogLine } from '../../api/model'
import { download } from '../../lib/download'
import { plural } from '../../lib/numbers'
import { EmptyMessage } from '../../ui/EmptyMessage'
import { Icon } from '../../ui/Icon'
import { ToggleIcon } from '../../ui/ToggleIcon'
import { LEVELS, logText, shownLines, type Level } from './lines'
import { LogLines } from './LogLines'
import { LogSearch } from './LogSearch'
import { progressOf } from './progress'
import { ProgressLine } from './ProgressLine'
import classes from './Log.module.css'
import { useFollow } from './useFollow'

interface Props {
  log: LogLine[]
  /** Lines still come. */
  live: boolean
  /** Without the ending. */
  fileName: string
}

const LEAST: Record<Level, string> = {
  debug: 'All levels',
  info: 'Info and up',
  warning: 'Warnings and up',
  error: 'Errors',
  critical: 'Critical',
}

/** How many lines are drawn at first, from the end; the browser stays quick with a log of any length. */
const STEP = 3000

export function LogView({ log, live, fileName }: Props) {
  const [least, setLeast] = useState<Level>('debug')
  const [wrap, setWrap] = useLocalStorage({ key: 'updraft-log-wrap', defaultValue: true, getInitialValueInEffect: false })
  const [times, setTimes] = useLocalStorage({ key: 'updraft-log-times', defaultValue: true, getInitialValueInEffect: false })
  const [most, setMost] = useState(STEP)
  const [search, setSearch] = useState('')
  const [current, setCurrent] = useState(0)
  const field = useRef<HTMLInputElement>(null)
  const lines = useMemo(() => shownLines(log, least), [log, least])
  const progress = useMemo(() => (live ? progressOf(log) : null), [log, live])
  const hits = useMemo(() => matching(lines, search), [lines, search])
  const { box, following, setFollowing, onScroll } = useFollow(lines.length, live)
  useHotkeys([['/', () => field.current?.focus()]])

  const go = (step: number) => {
    if (hits.length === 0) return
    const next = (current + step + hits.length) % hits.length
    setCurrent(next)
    setFollowing(false)
    // What is searched for may be above the lines that are drawn.
    const fromEnd = lines.length - (hits[next] ?? 0)
    if (fromEnd > most) setMost(fromEnd + STEP)
  }

  const shown = lines.slice(-most)
  const hidden = lines.length - shown.length
  return (
    <div className={classes.log}>
      <div className={classes.tools} role="toolbar" aria-label="Log">
        <LogSearch
          field={field}
          search={search}
          onSearch={(text) => {
            setSearch(text)
            setCurrent(0)
          }}
          current={current}
          hits={hits.length}
          onGo={go}
        />
        <Select
          className={classes.level}
          size="xs"
          aria-label="Least level"
          data={LEVELS.map((value) => ({ value, label: LEAST[value] }))}
          value={least}
          onChange={(value) => setLeast(LEVELS.find((level) => level === value) ?? 'debug')}
          allowDeselect={false}
        />
        <span className={classes.count}>{plural(log.length, 'line')}</span>
        <ToggleIcon icon="clock" label="Timestamps" on={times} onToggle={() => setTimes(!times)} />
        <ToggleIcon icon="wrap" label="Wrap long lines" on={wrap} onToggle={() => setWrap(!wrap)} />
        <ToggleIcon icon="toEnd" label="Follow the end" on={following} onToggle={() => setFollowing(!following)} />
        <ToggleIcon icon="download" label="Download the log" onToggle={() => download(`${fileName}.log`, 'text/plain', logText(log))} />
      </div>
      {progress !== null && <ProgressLine progress={progress} />}
      <div ref={box} className={classes.box} onScroll={onScroll} tabIndex={0} role="log" aria-label="Task log" aria-live="off">
        {hidden > 0 && (
          <button className={classes.earlier} onClick={() => setMost(most + STEP)}>
            <Icon name="chevronUp" size={13} /> Show {plural(Math.min(hidden, STEP), 'earlier line')}
          </button>
        )}
        {lines.length === 0 && (
          <EmptyMessage icon="list" title={log.length > 0 ? 'No line of this level' : live ? 'No output yet' : 'The log is empty'} />
        )}
        <LogLines lines={shown} search={search} current={lines[hits[current] ?? -1]?.number ?? null} wrap={wrap} times={times} />
        {live && (
          <div className={classes.live}>
            <Icon name="spinner" spinning size={13} /> Running
          </div>
        )}
      </div>
    </div>
  )
}

function matching(lines: { text: string }[], search: string): number[] {
  if (search === '') return []
  const wanted = search.toLowerCase()
  return lines.flatMap((line, place) => (line.text.toLowerCase().includes(wanted) ? [place] : []))
}
