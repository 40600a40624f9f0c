import { known } from '../mock/scenarios.mjs';
import { expect, test } from './desk';

test('presence is set by keyboard alone, with reason and return time', async ({ desk, mock }) => {
  await desk.getByRole('button', { name: /在席状況を変更/ }).focus();
  await desk.keyboard.press('Enter');
  await expect(desk.getByRole('radio', { name: '受付可' })).toBeFocused();
  await desk.keyboard.press('ArrowDown');
  await expect(desk.getByRole('radio', { name: '休憩中' })).toBeChecked();
  await desk.keyboard.press('Tab');
  await desk.keyboard.type('25:99');
  await desk.keyboard.press('Enter');
  await expect(desk.getByText('時刻は 14:00 の形で入力してください')).toBeVisible();
  await desk.getByLabel('戻り時刻').fill('23:59');
  await desk.keyboard.press('Enter');
  await expect(desk.getByRole('button', { name: /在席状況を変更: 休憩中/ })).toContainText('23:59');
  expect(mock.desk.commands).toMatchObject([
    { type: 'presence.set', data: { state: 'away', reason: 'break' } },
  ]);
  expect(mock.desk.commands[0]?.data.until).toMatch(/T14:59:00\.000Z$/);
});

test('every reason of the contract can be chosen', async ({ desk }) => {
  await desk.getByRole('button', { name: /在席状況を変更/ }).click();
  const values = await desk
    .getByRole('radio')
    .evaluateAll((all) => all.map((one) => (one as HTMLInputElement).value));
  expect(values.sort()).toEqual(
    ['available', 'break', 'day_off', 'left_for_day', 'meeting', 'other_case', 'out', 'sick'].sort(),
  );
});

test('a new card does not take the focus from a field, and Enter there takes no call', async ({
  desk,
  mock,
}) => {
  await desk.getByRole('button', { name: /在席状況を変更/ }).click();
  await desk.getByRole('radio', { name: '会議中' }).check();
  const field = desk.getByLabel('戻り時刻');
  await field.fill('15');
  mock.desk.offer(known());
  await expect(desk.getByTestId('pop')).toBeVisible();
  await expect(field).toBeFocused();
  await desk.keyboard.press('Enter');
  await desk.keyboard.type('1');
  await expect(field).toHaveValue('151');
  expect(mock.desk.commands).toEqual([]);
});

test('keys that convert Japanese input do nothing', async ({ desk, mock }) => {
  mock.desk.offer(known());
  await expect(desk.getByTestId('pop')).toBeVisible();
  await desk.evaluate(() => {
    for (const how of [{ isComposing: true }, { keyCode: 229 }]) {
      for (const key of ['Enter', 'F2']) {
        window.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...how }));
      }
    }
  });
  await desk.keyboard.press('F2');
  await expect(desk.locator('.notice')).toContainText('確認済');
  expect(mock.desk.commands.map((command) => command.type)).toEqual(['notice.ack']);
});

test('after the language was switched by mouse, Enter still takes the new call', async ({ desk, mock }) => {
  await desk.getByRole('button', { name: /English/ }).click();
  mock.desk.offer({ ...known(), flags: [] });
  await expect(desk.getByTestId('pop')).toBeFocused();
  await desk.keyboard.press('Enter');
  await expect.poll(() => mock.desk.commands.map((command) => command.type)).toEqual(['pop.take']);
});

test('Enter on a focused button presses that button and nothing else', async ({ desk, mock }) => {
  mock.desk.offer({ ...known(), flags: [] });
  await desk.getByRole('button', { name: /辞退/ }).focus();
  await desk.keyboard.press('Enter');
  await expect(desk.getByRole('menuitem').first()).toBeVisible();
  expect(mock.desk.commands).toEqual([]);
});

test('a new card is announced in one short sentence', async ({ desk, mock }) => {
  mock.desk.offer(known());
  await expect(desk.getByTestId('announcer')).toHaveText(
    '着信。山田 花子 様。青葉製作所。重要事項があります',
  );
  await expect(desk.getByTestId('announcer')).toHaveAttribute('aria-live', 'assertive');
  await expect(desk.getByTestId('call-status')).toHaveAttribute('aria-live', 'off');
  await expect(desk.getByRole('alertdialog')).toHaveAttribute('aria-modal', 'false');
});

test('away by no answer comes back with one key', async ({ desk, mock }) => {
  mock.desk.setPresence({ status: 'away', reason: 'rona', state: 'idle' });
  await expect(desk.getByText('応答がなかったため離席になりました')).toBeVisible();
  await desk.keyboard.press('Enter');
  await expect(desk.getByRole('heading', { name: '着信をお待ちください' })).toBeVisible();
  expect(mock.desk.commands).toMatchObject([{ type: 'presence.set', data: { state: 'available' } }]);
});

test('past the time of return the page asks, and one key ends the break', async ({ desk, mock }) => {
  const until = (minutes: number) => new Date(Date.now() + minutes * 60_000).toISOString();
  mock.desk.setPresence({ status: 'away', reason: 'break', state: 'idle', until: until(10) });
  await expect(desk.getByRole('heading', { name: 'いまは着信を受けません' })).toBeVisible();
  await expect(desk.getByTestId('return-due')).toHaveCount(0);
  await desk.keyboard.press('Enter');
  expect(mock.desk.commands).toHaveLength(0);
  mock.desk.setPresence({ status: 'away', reason: 'break', state: 'idle', until: until(-1) });
  await expect(desk.getByTestId('return-due')).toContainText('を過ぎました');
  await desk.keyboard.press('Enter');
  await expect(desk.getByRole('heading', { name: '着信をお待ちください' })).toBeVisible();
  expect(mock.desk.commands).toMatchObject([{ type: 'presence.set', data: { state: 'available' } }]);
});

test('after the log-in Enter makes an offline agent available; a break ends only by the button', async ({
  desk,
  mock,
}) => {
  mock.desk.setPresence({ status: 'offline', reason: null });
  await expect(desk.getByRole('heading', { name: 'いまは着信を受けません' })).toBeVisible();
  await desk.keyboard.press('Enter');
  await expect(desk.getByRole('heading', { name: '着信をお待ちください' })).toBeVisible();
  mock.desk.setPresence({ status: 'away', reason: 'break' });
  await expect(desk.getByRole('heading', { name: 'いまは着信を受けません' })).toBeVisible();
  await desk.keyboard.press('Enter');
  expect(mock.desk.commands).toHaveLength(1);
  await desk.getByRole('button', { name: '受付可にする' }).click();
  await expect(desk.getByRole('heading', { name: '着信をお待ちください' })).toBeVisible();
});

test('F1 lists the keys', async ({ desk }) => {
  await desk.keyboard.press('F1');
  await expect(desk.getByRole('dialog')).toContainText('重要事項を確認した');
  await desk.keyboard.press('Escape');
  await expect(desk.getByRole('dialog')).toHaveCount(0);
});

test('a refusal of the server is told in its own words', async ({ desk, mock }) => {
  mock.desk.offer(known());
  await expect(desk.getByTestId('pop')).toBeVisible();
  await desk.keyboard.press('F6');
  await expect(desk.locator('.messages')).toContainText('まだ使えません');
});

test('the whole history is one click away', async ({ desk, mock }) => {
  mock.desk.offer(known());
  await desk.getByRole('button', { name: 'もっと見る' }).click();
  await expect(desk.getByRole('dialog').locator('tbody tr')).toHaveCount(3);
});
