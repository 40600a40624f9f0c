import { defineConfig } from '@playwright/test';
import mock from './playwright.config';

/** The page on a real `toritsugi demo`; the binary is named by TORITSUGI_BIN. */
export default defineConfig({
  ...mock,
  testDir: 'e2e-real',
  // Each test has its own server, and most of a test is waiting for a telephone: they may run side by side.
  fullyParallel: true,
  globalSetup: './e2e-real/announce.ts',
  timeout: 60_000,
  expect: { timeout: 15_000 },
});
