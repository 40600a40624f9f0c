import { defineConfig } from '@playwright/test';

export default defineConfig({
  testDir: 'e2e',
  // Two processors, and every test has its own mock and context: more workers only make the clock tests late.
  workers: 2,
  timeout: 40_000,
  reporter: [['list']],
  use: {
    viewport: { width: 1280, height: 720 },
    locale: 'ja-JP',
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--no-first-run',
        '--autoplay-policy=user-gesture-required',
      ],
    },
  },
});
