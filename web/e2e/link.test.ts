import { known } from '../mock/scenarios.mjs';
import { connected, expect, logIn, test } from './desk';

const BANNER = '接続が切れています – 着信は電話機に鳴ります';

test('a lost connection is told after three seconds, and after the resume nothing is missing', async ({
  desk,
  mock,
}) => {
  mock.desk.offer(known(), { call: 'c-1' });
  await expect(desk.getByTestId('pop')).toBeVisible();
  const lost = Date.now();
  mock.cut(false);
  await expect(desk.locator('.link-state')).not.toHaveAttribute('data-phase', 'open');
  await expect(desk.getByText(BANNER)).toHaveCount(0);
  await expect(desk.getByText(BANNER)).toBeVisible({ timeout: 8_000 });
  expect(Date.now() - lost).toBeGreaterThanOrEqual(2_900);
  expect(await desk.evaluate(() => document.body.dataset.sounding)).toBe('false');
  mock.desk.withdraw('c-1');
  mock.accept = true;
  await desk.evaluate(() => window.dispatchEvent(new Event('online')));
  await connected(desk);
  await expect(desk.getByText(BANNER)).toHaveCount(0);
  await expect(desk.getByTestId('pop')).toHaveCount(0);
  await expect(desk.locator('.missed li')).toHaveCount(1);
  expect(mock.desk.hellos.at(-1)?.resume).toEqual([{ stream: 'agent:a102', epoch: 'b7f3', seq: 1 }]);
});

test('a server with a new epoch replaces the screen by its snapshot', async ({ desk, mock }) => {
  mock.desk.offer(known(), { call: 'c-1' });
  await expect(desk.getByTestId('pop')).toBeVisible();
  mock.desk.epoch = 'c001';
  mock.desk.pops.clear();
  mock.cut(true);
  await expect(desk.getByTestId('pop')).toHaveCount(0);
  await connected(desk);
});

test('a session that is over ends in the log-in, and nothing of the customer stays', async ({
  desk,
  mock,
}) => {
  mock.desk.offer(known());
  await expect(desk.getByTestId('pop')).toBeVisible();
  mock.sessions.clear();
  mock.cut(true);
  await expect(desk.getByLabel('ユーザー名')).toBeVisible();
  expect(await desk.content()).not.toContain('山田 花子');
});

test('two tabs share one socket, stay equal, and only the one in front sounds', async ({
  desk,
  mock,
  context,
}) => {
  const second = await context.newPage();
  await second.goto(mock.url);
  await connected(second);
  expect(mock.desk.sockets).toHaveLength(1);
  await second.bringToFront();
  await second.evaluate(() => window.dispatchEvent(new Event('focus')));
  mock.desk.offer(known());
  for (const page of [desk, second]) await expect(page.locator('.name')).toContainText('山田 花子');
  await expect(second.locator('body')).toHaveAttribute('data-sounding', 'true');
  await expect(desk.locator('body')).toHaveAttribute('data-sounding', 'false');
  await second.keyboard.press('F2');
  await expect(desk.locator('.notice')).toContainText('確認済');
  await second.close();
  await expect(desk.locator('body')).toHaveAttribute('data-sounding', 'true');
  expect(mock.desk.acks.filter((ack) => ack.replies_to.length > 0)).toHaveLength(1);
});

test('without a worker each tab has its socket, and still only the lead sounds', async ({
  page,
  mock,
  context,
}) => {
  await page.goto(`${mock.url}/?worker=off`);
  await logIn(page);
  const second = await context.newPage();
  await second.goto(`${mock.url}/?worker=off`);
  await connected(second);
  expect(mock.desk.sockets).toHaveLength(2);
  await second.evaluate(() => window.dispatchEvent(new Event('focus')));
  await expect.poll(() => mock.desk.commands.some((command) => command.type === 'lead.take')).toBe(true);
  mock.desk.offer(known());
  await expect(second.locator('body')).toHaveAttribute('data-sounding', 'true');
  await expect(page.locator('body')).toHaveAttribute('data-sounding', 'false');
  await expect(page.locator('.name')).toContainText('山田 花子');
});

test('logging out in one tab logs out the other', async ({ desk, mock, context }) => {
  const second = await context.newPage();
  await second.goto(mock.url);
  await connected(second);
  await desk.getByRole('button', { name: 'ログアウト' }).click();
  await expect(desk.getByLabel('ユーザー名')).toBeVisible();
  await expect(second.getByLabel('ユーザー名')).toBeVisible();
  expect(mock.sessions.size).toBe(0);
});
