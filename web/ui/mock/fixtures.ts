import type { components } from '../src/api/schema.gen'

/** What the DAGs of the mock are made of. The server's own example DAGs look much the same. */
export interface MockTask {
  id: string
  operator: string
  after: string[]
  /** How long it runs, in seconds. */
  seconds: number
  retries?: number
  /** The names of its instances, when it is mapped. */
  mapped?: string[]
  /** On which tries it fails; the message goes to the log and the note. */
  fails?: { tries: number; message: string }
  result?: unknown
}

export interface MockDag {
  id: string
  /** What people see in place of its id. */
  name?: string
  /** What people see in place of the ids of its groups. */
  groupNames?: Record<string, string>
  description: string | null
  tags: string[]
  cron: string | null
  words: string
  timezone: string
  paused: boolean
  favorite?: boolean
  /** `data` when absent. */
  owners?: string[]
  /** Where owners are reached. */
  ownerLinks?: Record<string, string>
  /** The kinds of runs that are made; all when absent. */
  runTypes?: NonNullable<components['schemas']['DAGResponse']['allowed_run_types']>
  tasks: MockTask[]
  params: Record<string, { value: unknown; description: string | null; schema: object; source: null }>
  source: string
  /** It waits for assets. */
  assets?: true
  /** How many finished runs there are at the start, and which of them failed, counted from the newest. */
  history: { count: number; failed: number[] }
  /** One more run that stands still, with its tasks in these states. */
  frozen?: Record<string, FrozenState>
}

export interface FrozenState {
  state: components['schemas']['TaskInstanceState'] | null
  reason: string | null
}

const CATEGORIES = [
  'art', 'beauty', 'christmas', 'diy-and-crafts', 'education', 'event-planning', 'finance',
  'home-decor', 'mens-fashion', 'quotes', 'tattoos', 'travel', 'vehicles',
]
const COUNTRIES = [
  'Afghanistan', 'Albania', 'Algeria', 'American Samoa', 'Andorra', 'Angola', 'Anguilla', 'Armenia', 'Aruba',
  'Bahamas', 'Bangladesh', 'Barbados', 'Belgium', 'Bermuda', "Cote d'Ivoire", 'Holy See (Vatican City State)',
]

/** A number that depends on its arguments alone, so that every start shows the same. */
function seeded(...parts: number[]): number {
  let hash = 2166136261
  for (const part of parts) hash = Math.imul(hash ^ part, 16777619) >>> 0
  return hash
}

function answer(columns: string[], rows: unknown[][], task: string, rowCount = rows.length) {
  return { columns, rows, row_count: rowCount, output: `/var/lib/updraft/lake/answers/${task}.csv` }
}

function drawn(result: object, chart: object) {
  return { ...result, chart: [chart] }
}

const FIVE = [2022, 2021, 2020, 2019, 2018].flatMap((year) =>
  CATEGORIES.map((name, place) => [year, name, 40 + (seeded(year, place) % 60)]).sort((a, b) => Number(b[2]) - Number(a[2])),
)
const FOUR = COUNTRIES.map((name, place) => [name, CATEGORIES[seeded(place, 4) % 13], 3 + (seeded(place, 5) % 60)])
const SIX = COUNTRIES.map((name, place) => [
  name,
  place === 4 ? null : ['The Minds Journal', 'American Girl', 'Woman’s World', 'Häusliche Gärten'][seeded(place) % 4],
  place === 4 ? null : (seeded(place, 9) % 9000) * 1000,
])

const POSTED = { rows: 11154, objects: 11154, broken: 0 }

const ELEVEN = ['18-24', '25-35', '36-50'].flatMap((group, place) => [2015, 2016, 2017].map((year) => [group, year, (203000 / (place * 4 + 1) / (year - 2013)) | 0]))

function clean(read: number, changed: Record<string, number>, table: string) {
  return { rows_read: read, rows_written: read - 4, rows_rejected: 4, duplicates: 0, changed, expectations: [{ name: 'not_null ind', action: 'drop', failed_rows: 4 }, { name: 'unique ind', action: 'fail', failed_rows: 0 }], output: `/var/lib/updraft/lake/${table}` }
}

const CLEANED = ['clean_pin', 'clean_geo', 'clean_user']

function query(id: string, after: string[], seconds: number, result: unknown): MockTask {
  return { id, operator: 'query', after, seconds, result }
}

export const DAGS: MockDag[] = [
  {
    id: 'pinterest_batch',
    description: 'Lands the three Pinterest tables, cleans them and answers the eight questions of tasks 4 to 11.',
    tags: ['example', 'pinterest'],
    cron: '@daily',
    words: 'Every day at 00:00',
    timezone: 'UTC',
    paused: true,
    tasks: [
      { id: 'emulate', operator: 'emulation', after: [], seconds: 3, retries: 1, result: { pin: POSTED, geo: POSTED, user: { ...POSTED, maybe_twice: 1 }, location: '/var/lib/updraft/lake' } },
      {
        id: 'clean_pin', operator: 'clean', after: ['emulate'], seconds: 2.6, retries: 1,
        result: clean(11154, { 'null markers': 1873, 'follower_count suffixes': 9143, 'save_location prefix': 11154, 'casts to integer': 22308, duplicates: 0 }, 'pin'),
      },
      { id: 'clean_geo', operator: 'clean', after: ['emulate'], seconds: 1.6, retries: 1, result: clean(11154, { coordinates: 11154, timestamps: 11154 }, 'geo') },
      { id: 'clean_user', operator: 'clean', after: ['emulate'], seconds: 1.8, retries: 1, result: clean(11154, { user_name: 11154, timestamps: 11154 }, 'user') },
      query('task4', ['clean_pin', 'clean_geo'], 0.9, drawn({ ...answer(['country', 'category', 'category_count'], FOUR, 'task4', 1312), expectations: [{ name: 'not_null country', action: 'fail', failed_rows: 0 }, { name: 'range category_count', action: 'warn', failed_rows: 3 }] }, { kind: 'bar', x: 'country', y: ['category_count'] })),
      query('task5', ['clean_pin', 'clean_geo'], 0.7, drawn(answer(['post_year', 'category', 'category_count'], FIVE, 'task5'), { kind: 'bar', x: 'post_year', y: ['category_count'], series: 'category', stacked: true, title: 'Posts by year and category' })),
      query('task6_part1', ['clean_pin', 'clean_geo'], 1.1, answer(['country', 'poster_name', 'follower_count'], SIX, 'task6_part1')),
      query('task6_part2', ['clean_pin', 'clean_geo'], 0.6, answer(['country', 'follower_count'], [['American Samoa', 8000000]], 'task6_part2')),
      query('task7', ['clean_pin', 'clean_user'], 0.8, answer(['age_group', 'category', 'category_count'], [['18-24', 'tattoos', 233], ['25-35', 'christmas', 133], ['36-50', 'christmas', 78], ['50+', 'event-planning', 43]], 'task7')),
      query('task8', ['clean_pin', 'clean_user'], 0.9, drawn(answer(['age_group', 'median_follower_count'], [['18-24', 117000], ['25-35', 27000], ['36-50', 6000], ['50+', 3000]], 'task8'), { kind: 'bar', x: 'age_group', y: ['median_follower_count'] })),
      query('task9', ['clean_user'], 0.4, answer(['post_year', 'number_users_joined'], [[2017, 1892], [2016, 6240], [2015, 3022]], 'task9')),
      query('task10', CLEANED, 0.9, answer(['post_year', 'median_follower_count'], [[2015, 92000], [2016, 20000], [2017, 5000]], 'task10')),
      query('task11', CLEANED, 1.2, drawn(answer(['age_group', 'post_year', 'median_follower_count'], ELEVEN, 'task11'), { kind: 'line', x: 'post_year', y: ['median_follower_count'], series: 'age_group' })),
      {
        id: 'report', operator: 'bash', seconds: 0.3,
        after: ['task4', 'task5', 'task6_part1', 'task6_part2', 'task7', 'task8', 'task9', 'task10', 'task11'],
        result: 'Eight answers for 11154 posts are in /var/lib/updraft/lake/answers',
      },
    ],
    params: {
      source: { value: 'sample', description: 'Where rows come from: `sample`, or a folder with pin.jsonl, geo.jsonl and user.jsonl.', schema: { type: 'string', title: 'Source', minLength: 1, examples: ['sample'] }, source: null },
      lake: { value: null, description: 'Where tables and answers are written: a folder or s3://… Empty: a folder in the home.', schema: { type: ['string', 'null'], title: 'Lake' }, source: null },
      user_id: { value: '0a3db223d459', description: 'Twelve hexadecimal digits, in the names of the topics.', schema: { type: 'string', title: 'User id', pattern: '^[0-9a-f]{12}$' }, source: null },
      rows: { value: 11154, description: 'How many rows the sample has.', schema: { type: 'integer', title: 'Rows', minimum: 1, maximum: 5000000 }, source: null },
      duplicates: { value: 'keep', description: 'What to do with rows that were sent twice.', schema: { type: 'string', title: 'Duplicates', enum: ['keep', 'drop'] }, source: null },
      follower_rule: { value: 'letter_off', description: 'How 12k becomes a number.', schema: { type: 'string', title: 'Follower rule', enum: ['letter_off', 'zeros', 'double'] }, source: null },
    },
    source: `# yaml-language-server: $schema=../schema.json
description: Lands the three Pinterest tables, cleans them and answers the eight questions.
schedule: "@daily"
start_date: 2026-01-01
catchup: false
tags: [example, pinterest]

params:
  source: { default: sample, type: string }
  rows: { default: 11154, type: integer, minimum: 1 }

tasks:
  - task_id: emulate
    operator: emulation
    source: "{{ params.source }}"
    retries: 1

  - task_id: clean_pin
    operator: clean
    dependencies: [emulate]
    null_markers: ["", User Info Error] # whole values

  - task_id: task5
    operator: query
    dependencies: [clean_pin, clean_geo]
    sql: |
      SELECT YEAR(timestamp) AS post_year, category, COUNT(*) AS category_count
      FROM global_temp.df_pin_temp_view JOIN global_temp.df_geo_temp_view USING (ind)
      GROUP BY 1, 2
`,
    history: { count: 0, failed: [] },
  },
  {
    id: 'hello',
    description: 'The first DAG of the README: one task says hello, the next one counts.',
    tags: ['example'],
    cron: '*/15 * * * *',
    words: 'Every 15 minutes',
    timezone: 'Europe/Berlin',
    paused: false,
    tasks: [
      { id: 'say_hello', operator: 'bash', after: [], seconds: 0.4, result: 'Hello from Updraft' },
      { id: 'count', operator: 'bash', after: ['say_hello'], seconds: 1.2, result: '3' },
    ],
    params: { name: { value: 'world', description: 'Whom to greet.', schema: { type: 'string', maxLength: 40 }, source: null } },
    source: 'schedule: "*/15 * * * *"\ntimezone: Europe/Berlin\ntags: [example]\ntasks:\n  - task_id: say_hello\n    operator: bash\n    bash_command: echo "Hello from Updraft"\n',
    history: { count: 14, failed: [5] },
  },
  {
    id: 'flaky_import',
    description: 'Shows retries, and what a task looks like that fails for good.',
    tags: ['example', 'failing'],
    cron: '0 6 * * 1-5',
    words: 'At 06:00, Monday through Friday',
    timezone: 'America/New_York',
    paused: false,
    tasks: [
      { id: 'fetch', operator: 'bash', after: [], seconds: 0.8, retries: 2, fails: { tries: 1, message: 'curl: (7) Failed to connect to orders.internal port 443' } },
      { id: 'check', operator: 'bash', after: ['fetch'], seconds: 0.5, retries: 1, fails: { tries: 9, message: 'the command exited with code 1: 3 of 812 orders have no customer' } },
      { id: 'publish', operator: 'bash', after: ['check'], seconds: 0.5 },
    ],
    params: {},
    source: 'schedule: "0 6 * * 1-5"\ntasks:\n  - task_id: fetch\n    operator: bash\n    retries: 2\n',
    history: { count: 9, failed: [0, 3, 4] },
  },
  {
    id: 'warehouse.orders_hourly',
    description: null,
    tags: ['warehouse', 'orders'],
    cron: '5 * * * *',
    words: 'At 5 minutes past the hour',
    timezone: 'UTC',
    paused: false,
    tasks: [
      { id: 'extract', operator: 'bash', after: [], seconds: 1 },
      { id: 'load', operator: 'bash', after: ['extract'], seconds: 1.5 },
    ],
    params: {},
    source: 'schedule: "5 * * * *"\n',
    history: { count: 14, failed: [3] },
  },
  {
    id: 'monthly_invoice',
    description: 'Sends the invoices of the month; only when someone asks for it.',
    tags: ['finance'],
    cron: null,
    words: 'Never, external triggers only',
    timezone: 'Europe/London',
    paused: false,
    tasks: [{ id: 'send', operator: 'bash', after: [], seconds: 2 }],
    params: {
      month: { value: null, description: 'The first day of the month.', schema: { type: ['string', 'null'], format: 'date', title: 'Month' }, source: null },
      dry_run: { value: true, description: 'Write the invoices, send none.', schema: { type: 'boolean', title: 'Dry run' }, source: null },
      recipients: { value: ['finance@example.com'], description: 'Who gets a copy.', schema: { type: 'array', items: { type: 'string' }, minItems: 1 }, source: null },
      threshold: { value: 0.5, description: null, schema: { type: 'number', exclusiveMinimum: 0, maximum: 1 }, source: null },
      letter: { value: 'Dear customer,', description: null, schema: { type: 'string', format: 'multiline' }, source: null },
      currency: { value: 'EUR', description: null, schema: { const: 'EUR' }, source: null },
    },
    source: 'schedule: null\n',
    history: { count: 2, failed: [] },
  },
]

const STATES: [NonNullable<FrozenState['state']>, string | null][] = [
  ['success', null],
  ['running', null],
  ['queued', 'pool default_pool is full: 128 of 128 slots are taken'],
  ['scheduled', 'waits for a slot: max_active_tasks 16 is reached'],
  ['up_for_retry', 'waits until 2026-11-25T09:30:00Z before its next try'],
  ['up_for_reschedule', 'the sensor looks again at 2026-11-25T09:30:00Z'],
  ['deferred', 'waits for the Databricks run 8812'],
  ['restarting', 'was cleared while it ran; starts again when its process has ended'],
  ['failed', null],
  ['upstream_failed', 'state_failed failed'],
  ['skipped', 'the branch went another way'],
  ['removed', 'the DAG has no such task any more'],
  ['awaiting_input', 'waits for an answer of a person'],
]

const COUNTRIES_MAPPED = ['de', 'fr', 'it', 'es', 'pl', 'nl']

DAGS.push(
  {
    id: 'sales_report',
    description: 'Task groups, and a task that is mapped over countries.',
    tags: ['example', 'groups'],
    cron: '@daily',
    words: 'Every day at 00:00',
    timezone: 'Europe/Berlin',
    paused: false,
    tasks: [
      { id: 'start', operator: 'empty', after: [], seconds: 0.1 },
      { id: 'extract.orders', operator: 'bash', after: ['start'], seconds: 1.4, retries: 1 },
      { id: 'extract.customers', operator: 'bash', after: ['start'], seconds: 0.9, retries: 1 },
      { id: 'extract.check.totals', operator: 'query', after: ['extract.orders'], seconds: 0.5 },
      { id: 'extract.check.keys', operator: 'query', after: ['extract.orders', 'extract.customers'], seconds: 0.6 },
      { id: 'country.report', operator: 'bash', after: ['extract.check.totals', 'extract.check.keys'], seconds: 1.2, retries: 1, mapped: COUNTRIES_MAPPED },
      { id: 'publish', operator: 'bash', after: ['country.report'], seconds: 0.5 },
    ],
    params: {},
    source: 'schedule: "@daily"\ntask_groups:\n  extract: { tooltip: Reads the sources }\n',
    history: { count: 24, failed: [3, 11] },
  },
  {
    id: 'quarter_end',
    name: 'End of the quarter',
    groupNames: { books: 'The books' },
    description: 'A DAG and a group with second names.',
    tags: ['example'],
    cron: null,
    words: 'Never, external triggers only',
    timezone: 'UTC',
    paused: true,
    tasks: [{ id: 'books.close', operator: 'bash', after: [], seconds: 0.5 }],
    params: {},
    source: 'dag_display_name: End of the quarter\n',
    history: { count: 0, failed: [] },
  },
  {
    id: 'every_state',
    description: 'A run that stands still, with a task in each state.',
    tags: ['states'],
    cron: null,
    words: 'Never, external triggers only',
    timezone: 'UTC',
    paused: false,
    tasks: [
      { id: 'state_none', operator: 'bash', after: STATES.slice(1, 4).map(([state]) => `state_${state}`), seconds: 1 },
      ...STATES.map(([state]) => ({ id: `state_${state}`, operator: 'bash', after: state === 'upstream_failed' ? ['state_failed'] : [], seconds: 1 })),
    ],
    params: {},
    source: 'schedule: null\n',
    history: { count: 0, failed: [] },
    frozen: Object.fromEntries([
      ['state_none', { state: null, reason: 'waits for state_queued, state_running, state_scheduled' }],
      ...STATES.map(([state, reason]) => [`state_${state}`, { state, reason }]),
    ]) as Record<string, FrozenState>,
  },
)

DAGS.push({
  id: 'weekly_digest',
  description: 'Runs when orders and customers were both made.',
  tags: ['example', 'assets'],
  cron: null,
  words: 'Asset',
  timezone: 'UTC',
  paused: false,
  assets: true,
  tasks: [
    { id: 'join', operator: 'query', after: [], seconds: 1 },
    { id: 'send', operator: 'bash', after: ['join'], seconds: 0.4 },
  ],
  params: {},
  source: 'schedule: [orders, customers]\n',
  history: { count: 2, failed: [] },
})

DAGS.push({
  id: 'monthly_closing',
  description: 'Closes the month; never by hand.',
  tags: ['example', 'ledger'],
  cron: '@monthly',
  words: 'On the first of every month at 00:00',
  timezone: 'UTC',
  paused: true,
  owners: ['ledger-team', 'auditors'],
  ownerLinks: { 'ledger-team': 'mailto:ledger@example.com' },
  runTypes: ['scheduled', 'backfill'],
  tasks: [
    { id: 'close', operator: 'bash', after: [], seconds: 1 },
    { id: 'audit', operator: 'bash', after: ['close'], seconds: 1 },
  ],
  params: {},
  source: 'schedule: "@monthly"\n',
  history: { count: 0, failed: [] },
})

DAGS.push({
  id: 'daily_ledger',
  description: 'Books each day; the day that `bad` in the conf names fails.',
  tags: ['example', 'ledger'],
  cron: '@daily',
  words: 'Every day at 00:00',
  timezone: 'UTC',
  paused: false,
  tasks: [{ id: 'book', operator: 'bash', after: [], seconds: 3 }],
  params: {},
  source: 'schedule: "@daily"\n',
  history: { count: 3, failed: [] },
})

/** For looking at speed: as many tasks and runs as a large team has. */
DAGS.push({
  id: 'wide',
  description: 'Two hundred tasks in twenty groups.',
  tags: ['large'],
  cron: '5 * * * *',
  words: 'At 5 minutes past the hour',
  timezone: 'UTC',
  paused: true,
  tasks: Array.from({ length: 200 }, (_, place) => ({
    id: `part_${Math.floor(place / 10) + 1}.step_${(place % 10) + 1}`,
    operator: 'bash',
    after: place % 10 === 0 ? [] : [`part_${Math.floor(place / 10) + 1}.step_${place % 10}`],
    seconds: 0.2,
  })),
  params: {},
  source: 'schedule: "5 * * * *"\n',
  history: { count: 50, failed: [4, 20] },
})

export const IMPORT_ERROR = `error: unknown key \`shedule\`
   ╭─[dags/broken.yaml:3:1]
 2 │ description: A file with a mistake
 3 │ shedule: "@daily"
   · ───┬───
   ·    ╰── no key of a DAG
 4 │ tasks:
   ╰────
  help: did you mean \`schedule\`?
`

function pool(name: string, slots: number, running: number, scheduled: number, description: string | null = null) {
  return {
    name, slots, description, include_deferred: false, occupied_slots: running, running_slots: running, queued_slots: 0,
    scheduled_slots: scheduled, open_slots: slots < 0 ? -1 : Math.max(slots - running, 0), deferred_slots: 0, team_name: null,
  }
}

export const POOLS = [
  pool('default_pool', 128, 3, 0, 'Default pool'),
  pool('warehouse', 4, 4, 7, 'Connections to the warehouse'),
  pool('scraping', 16, 5, 0),
  pool('notifications', -1, 2, 0, 'E-mail and chat'),
]
