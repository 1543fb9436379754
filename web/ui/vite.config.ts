import react from '@vitejs/plugin-react'
import type { ProxyOptions } from 'vite'
import { defineConfig } from 'vitest/config'
import { mockApi } from './mock/plugin'

/** What Updraft itself sends with the pages, so that a preview refuses what it would. */
const CONTENT_SECURITY_POLICY =
  "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; " +
  "font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; " +
  "form-action 'self'; frame-ancestors 'none'"

const server = process.env.UPDRAFT_URL ?? 'http://127.0.0.1:8080'

/** A stream has to be seen to be open before its first event. */
const toServer: ProxyOptions = {
  target: server,
  configure: (proxy) => proxy.on('proxyRes', (_, __, response) => setImmediate(() => response.flushHeaders())),
}

export default defineConfig(({ mode }) => ({
  plugins: [react(), ...(mode === 'mock' ? [mockApi()] : [])],
  build: {
    outDir: 'dist',
    // Not `assets`, which is a page of the UI. The server knows the name, too: `web/src/ui_files.rs`.
    assetsDir: 'static',
    target: 'es2022',
    // The layout engine is one large file by nature; it loads by itself, in a worker, when a graph is shown.
    chunkSizeWarningLimit: 700,
  },
  server: {
    host: '127.0.0.1',
    // The mock answers by itself; otherwise a running Updraft does.
    proxy: mode === 'mock' ? undefined : { '/api': toServer, '/auth': toServer, '/openapi.json': toServer },
  },
  preview: { headers: { 'Content-Security-Policy': CONTENT_SECURITY_POLICY } },
  test: {
    environment: 'happy-dom',
    include: ['src/**/*.test.{ts,tsx}', 'mock/**/*.test.ts'],
    setupFiles: ['src/test-setup.ts'],
    restoreMocks: true,
    // None takes a second, unless the machine does other work as well.
    testTimeout: 120_000,
  },
}))
