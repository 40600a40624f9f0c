import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [react()],
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
