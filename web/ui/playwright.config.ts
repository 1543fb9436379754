import { defineConfig } from '@playwright/test'

const MOCK_PORT = 5198

/** The system's browser; none is ever downloaded. */
const launchOptions = {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  timeout: 180_000,
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--no-first-run',
  ],
}

const onMock = process.argv.some((word, place) => word === '--project=mock' || process.argv[place - 1] === '--project' && word === 'mock')

export default defineConfig({
  testDir: 'e2e',
  testMatch: '*.e2e.ts',
  // One server, one state: tests that trigger and pause must not meet.
  workers: 1,
  fullyParallel: false,
  forbidOnly: true,
  // Far beyond what anything takes: a wait ends when what it waits for is there, and a machine may be busy with other things.
  timeout: 300_000,
  expect: { timeout: 60_000 },
  reporter: [['list']],
  outputDir: 'test-results',
  use: {
    launchOptions,
    viewport: { width: 1360, height: 900 },
    screenshot: 'only-on-failure',
    // A trace is recorded of every test before it is known to fail, which doubles their time: TRACE=1 asks for it.
    trace: process.env.TRACE === undefined ? 'off' : 'retain-on-failure',
  },
  projects: [
    // What only a real server has: tasks that wait for people, and people who are told.
    { name: 'mock', testIgnore: ['screenshot.e2e.ts', 'approvals.e2e.ts', 'callbacks.e2e.ts'], use: { baseURL: `http://127.0.0.1:${MOCK_PORT}` } },
    {
      name: 'real',
      // What only the mock has: states that stand still, refusals, and hundreds of tasks.
      testIgnore: ['screenshot.e2e.ts', 'trouble.e2e.ts', 'grid.e2e.ts'],
      use: { baseURL: process.env.UPDRAFT_URL },
    },
    { name: 'screenshot', testMatch: 'screenshot.e2e.ts', use: { baseURL: process.env.UPDRAFT_URL } },
  ],
  webServer: onMock
    ? {
        command: `npm run build && npx vite preview --mode mock --host 127.0.0.1 --port ${MOCK_PORT} --strictPort`,
        url: `http://127.0.0.1:${MOCK_PORT}/`,
        env: { MOCK_SPEED: '4' },
        timeout: 180_000,
        reuseExistingServer: false,
      }
    : undefined,
})
