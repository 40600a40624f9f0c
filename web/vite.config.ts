import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

// `npm run dev` and `vite preview` show the page against a running server, e.g. `toritsugi demo`.
const running = process.env.TORITSUGI_URL ?? 'http://127.0.0.1:8080';
const proxy = { '/api': { target: running }, '/ws': { target: running, ws: true } };

export default defineConfig({
  plugins: [react()],
  server: { proxy },
  preview: { proxy },
  build: {
    // Everything is one origin and embedded in the binary; data: URLs would need a wider CSP for scripts.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 900,
    // The polyfill would be the only inline-ish script of the page; every browser we support preloads modules.
    modulePreload: { polyfill: false },
  },
  worker: { format: 'es' },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
});
