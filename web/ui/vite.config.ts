import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'
import { mockApi } from './mock/plugin'

const server = process.env.UPDRAFT_URL ?? 'http://127.0.0.1:8080'

export default defineConfig(({ mode }) => ({
  plugins: [react(), ...(mode === 'mock' ? [mockApi()] : [])],
  build: {
    outDir: 'dist',
    assetsDir: 'assets',
    target: 'es2022',
    // The layout engine is one large file by nature; it loads by itself, in a worker, when a graph is shown.
    chunkSizeWarningLimit: 700,
  },
  server: {
    host: '127.0.0.1',
    // The mock answers by itself; otherwise a running Updraft does.
    proxy: mode === 'mock' ? undefined : { '/api': server, '/auth': server },
  },
  test: {
    environment: 'happy-dom',
    include: ['src/**/*.test.{ts,tsx}', 'mock/**/*.test.ts'],
    setupFiles: ['src/test-setup.ts'],
    restoreMocks: true,
  },
}))
