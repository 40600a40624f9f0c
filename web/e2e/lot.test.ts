import { known, unknown } from '../mock/scenarios.mjs';
import { expect, test } from './desk';

const YAMADA = {
  caller: { presentation: 'number', national: '03-1234-5678' },
  customer: '山田 花子',
  assignee: { id: 'a055', name: '佐藤' },
  dialled: { number: '0120-123-456', client_name: '青葉製作所' },
};
const NOBODY = {
  caller: { presentation: 'withheld', label_ja: '非通知' },
  customer: null,
  assignee: null,
  dialled: { number: '0120-123-456', client_name: '青葉製作所' },
  mode: 'early-media',
};

test('who waits is seen with name, line, assignee, mode, time and place, and leaves at once', async ({
  desk,
  mock,
}) => {
  await expect(desk.getByText('待ち 0')).toBeVisible();
  const first = mock.desk.park(YAMADA, { waitedS: 41 });
  mock.desk.park(NOBODY);
  await expect(desk.getByTestId('waiting')).toContainText(/待ち 2\(最長 0:4\d\)/);
  const rows = desk.locator('.lot li');
  await expect(rows).toHaveCount(2);
  for (const word of ['1番目', '山田 花子 様', '青葉製作所', '担当 佐藤', '呼出音']) {
    await expect(rows.first()).toContainText(word);
  }
  for (const word of ['2番目', '非通知', '担当なし', '音楽(応答前)']) {
    await expect(rows.last()).toContainText(word);
  }
  mock.desk.unpark(first, 'gave_up');
  await expect(rows).toHaveCount(1);
  await expect(rows.first()).toContainText('1番目');
  await expect(desk.getByTestId('waiting')).toContainText('待ち 1');
});

test('F8 goes to who has waited longest, and Enter takes them', async ({ desk, mock }) => {
  const call = mock.desk.park(YAMADA, { waitedS: 41 });
  mock.desk.park(NOBODY);
  const button = desk.getByRole('button', { name: '取り出す: 山田 花子 様' });
  await expect(button).toBeVisible();
  await desk.keyboard.press('F8');
  await expect(button).toBeFocused();
  await desk.keyboard.press('Enter');
  await expect(desk.getByTestId('pop')).toBeVisible();
  await expect(desk.locator('.lot li')).toHaveCount(1);
  expect(mock.desk.commands).toMatchObject([{ type: 'call.retrieve', call }]);
});

test('F8 on a card parks its caller, only where the server says that they may wait', async ({
  desk,
  mock,
}) => {
  const stays = mock.desk.offer({ ...unknown(), actions: ['take', 'decline'] });
  await expect(desk.getByTestId('pop')).toBeVisible();
  await expect(desk.getByRole('button', { name: /パーク/ })).toHaveCount(0);
  await desk.keyboard.press('F8');
  mock.desk.withdraw(stays);
  const call = mock.desk.offer({ ...known(), actions: ['take', 'park', 'decline'] });
  await expect(desk.getByRole('button', { name: /パーク F8/ })).toBeVisible();
  await desk.keyboard.press('F8');
  await expect(desk.getByTestId('pop')).toHaveCount(0);
  await expect(desk.locator('.lot li')).toContainText(['山田 花子']);
  await expect(desk.locator('.lot-place')).toHaveText('個別');
  expect(mock.desk.commands).toMatchObject([{ type: 'call.park', call, rev: 1 }]);
});

test('near the limit a text warns, not only a colour, and it is read out', async ({ desk, mock }) => {
  const call = mock.desk.park(YAMADA, { waitedS: 355 });
  await expect(desk.locator('.lot li')).toHaveCount(1);
  await expect(desk.getByText('まもなく上限')).toHaveCount(0);
  mock.desk.emit('park.warning', { call, data: { waited_s: 355, left_s: 25 } });
  await expect(desk.locator('.lot li .chip')).toContainText(/まもなく上限 残り0:[12]\d/);
  await expect(desk.locator('.lot [aria-live]')).toContainText('まもなく待ち時間の上限です。山田 花子');
});

test('who is not free cannot take anybody, and is told why; the words of a refusal are shown', async ({
  desk,
  mock,
}) => {
  mock.desk.park(YAMADA);
  mock.desk.setPresence({ status: 'away', reason: 'break' });
  await expect(desk.getByRole('button', { name: /取り出す/ })).toBeDisabled();
  await expect(desk.getByText('受付可で待機中のときに取り出せます')).toBeVisible();
  mock.desk.setPresence({ status: 'available', reason: null });
  mock.desk.parked.clear();
  await desk.getByRole('button', { name: /取り出す/ }).click();
  await expect(desk.locator('.messages')).toContainText('この着信は終了しました');
});

test('a page that was late for its card says that it paints again', async ({ desk, mock }) => {
  const call = mock.desk.offer(known());
  const painted = () => mock.desk.acks.filter((ack) => ack.replies_to.length > 0);
  await expect.poll(() => painted().length).toBe(1);
  mock.desk.withdraw(call, 'rerouted');
  await expect(desk.getByTestId('pop')).toHaveCount(0);
  const since = new Date().toISOString();
  mock.desk.setPresence({ overlays: [{ kind: 'client_stale', since }] });
  await expect.poll(() => painted().length).toBeGreaterThan(1);
  expect(painted().at(-1)?.replies_to).toEqual(painted()[0]?.replies_to);
});

test('in English the lot is in English', async ({ desk, mock }) => {
  mock.desk.park(YAMADA, { waitedS: 5 });
  mock.desk.park(NOBODY);
  await desk.getByRole('button', { name: /English/ }).click();
  await expect(desk.getByTestId('waiting')).toContainText('Waiting 2 (longest 0:');
  await expect(desk.locator('.lot')).toContainText('Waiting callers');
  await expect(desk.locator('.lot li').last()).toContainText('Withheld');
  await expect(desk.getByRole('button', { name: 'Retrieve: 山田 花子' })).toBeVisible();
});

test('a screen that does not answer and a phone that is down are said in words, and vanish', async ({
  desk,
  mock,
}) => {
  const since = new Date(Date.now() - 40_000).toISOString();
  mock.desk.setPresence({ overlays: [{ kind: 'client_stale', since }] });
  await expect(desk.locator('.presence')).toContainText('受付可');
  await expect(desk.locator('.presence')).toContainText('画面未応答');
  await expect(desk.getByText('画面の応答がないため、着信は他の人に回ります')).toBeVisible();
  mock.desk.setPresence({ overlays: [{ kind: 'phone_down', since }] });
  await expect(desk.locator('.presence')).toContainText('電話機 不通');
  mock.desk.setPresence({ overlays: [] });
  await expect(desk.locator('.presence .overlay')).toHaveCount(0);
  await expect(desk.getByRole('heading', { name: '着信をお待ちください' })).toBeVisible();
  mock.desk.emit('presence.changed', {
    data: { agent: 'a055', status: 'available', state: 'idle', overlays: [{ kind: 'client_stale', since }] },
  });
  await expect(desk.locator('.team')).toContainText(/画面未応答 0:4\d/);
});
