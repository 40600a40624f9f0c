// A mock of its own for each test, and an agent who has logged in.
import { type Locator, type Page, test as base, expect } from '@playwright/test';
import { startMock } from '../mock/server.mjs';
import type { Mock } from '../mock/types';

export { expect };

interface Fixtures {
  mock: Mock;
  /** The page of agent a102, logged in and connected. */
  desk: Page;
}

export const test = base.extend<Fixtures>({
  mock: async ({}, use) => {
    const mock = await startMock();
    await use(mock);
    await mock.stop();
  },
  desk: async ({ page, mock }, use) => {
    const faults = watchFaults(page);
    await page.goto(mock.url);
    await logIn(page);
    await use(page);
    expect(faults).toEqual([]);
  },
});

export async function logIn(page: Page): Promise<void> {
  await page.getByLabel('ユーザー名').fill('高橋 実');
  await page.locator('input[name=password]').fill('password');
  await page.keyboard.press('Enter');
  await connected(page);
}

export async function connected(page: Page): Promise<void> {
  await expect(page.locator('.link-state')).toHaveAttribute('data-phase', 'open');
}

/**
 * Errors of the page and of the content security policy; refused fetches are part of some tests and not
 * counted.
 */
function watchFaults(page: Page): string[] {
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' && !/Failed to load resource|WebSocket/.test(message.text())) {
      faults.push(message.text());
    }
  });
  return faults;
}

/** Moves through an open menu by key until the item has the focus; a key pressed earlier is lost. */
export async function arrowTo(page: Page, item: Locator): Promise<void> {
  await expect(async () => {
    await page.keyboard.press('ArrowDown');
    await expect(item).toBeFocused({ timeout: 250 });
  }).toPass();
}
