import { defineConfig } from '@playwright/test';
import mock from './playwright.config';

/** The page on a real `toritsugi demo`; the binary is named by TORITSUGI_BIN. */
export default defineConfig({
  ...mock,
  testDir: 'e2e-real',
  globalSetup: './e2e-real/announce.ts',
  // A call rings seven seconds before it is answered, so most of a test is waiting.
  timeout: 60_000,
  expect: { timeout: 15_000 },
});
