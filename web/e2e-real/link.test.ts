import { connected, expect, logIn, test } from './demo';
import { startRelay } from './relay';

interface Frame {
  kind: string;
  type?: string;
  replay?: boolean;
  data: { streams?: { resumed: boolean }[] };
}

test('a connection lost while it rings resumes in the call, with nothing missing', async ({ page, demo }) => {
  const relay = await startRelay(demo.url);
  const frames: Frame[] = [];
  page.on('websocket', (socket) =>
    socket.on('framereceived', ({ payload }) => frames.push(JSON.parse(String(payload)) as Frame)),
  );
  // The socket is in the page and not in the worker, so that its frames can be read here.
  await page.goto(`${relay.url}/?worker=off`);
  await logIn(page, demo);
  const call = demo.call('03-1234-5678', { talk: 12 });
  await expect(page.getByTestId('pop')).toBeVisible();
  relay.cut();
  await expect(page.getByText('接続が切れています')).toBeVisible();
  await expect.poll(call.ladder).toContain('200 OK');
  relay.mend();
  frames.length = 0;
  await page.evaluate(() => window.dispatchEvent(new Event('online')));
  await connected(page);
  await expect(page.getByText('接続が切れています')).toHaveCount(0);
  await expect(page.locator('.call-status')).toContainText(/通話 0:/);
  expect(frames.find((frame) => frame.kind === 'welcome')?.data.streams?.[0]?.resumed).toBe(true);
  expect(frames.filter((frame) => frame.replay).map((frame) => frame.type)).toContain('pop.taken');
  relay.close();
});

test('logging out ends the session here and at the server', async ({ desk, demo, context }) => {
  await desk.getByRole('button', { name: 'ログアウト' }).click();
  await expect(desk.locator('input[name=password]')).toBeVisible();
  const answer = await context.request.get(`${demo.url}/api/v1/sessions/current`);
  expect(answer.status()).toBe(401);
});

test('a wrong password is refused in words', async ({ page, demo }) => {
  await page.goto(demo.url);
  await page.locator('input[name=name]').fill('takahashi');
  await page.locator('input[name=password]').fill('wrong');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('alert')).toHaveText('ユーザー名またはパスワードが違います');
});
