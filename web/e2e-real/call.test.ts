import type { Page } from '@playwright/test';
import { SERVICE, expect, test } from './demo';

/** 山田 花子: complaint, danger notice, history, the assignee on a break. */
const YAMADA = '03-1234-5678';

async function english(desk: Page): Promise<void> {
  await desk
    .getByRole('button', { name: /English/ })
    .first()
    .click();
}

test('a call pops before it is answered, is read in both languages, taken, talked and written up', async ({
  desk,
  demo,
}) => {
  const call = demo.call(YAMADA, { talk: 3 });
  const pop = desk.getByTestId('pop');
  await expect(pop).toBeVisible();
  expect(call.ladder()).not.toContain('200 OK');

  await expect(desk.getByRole('alertdialog')).toContainText('返金条件は必ず管理者確認。断定回答しない');
  await expect(pop.locator('.kana')).toHaveText('ヤマダ ハナコ');
  await expect(pop.locator('.name')).toHaveText('山田 花子 様青空商事ランクA');
  await expect(pop.locator('.numbers')).toContainText(/03-1234-5678.*→.*0120-123-456.*青葉製作所/);
  await expect(pop.locator('.flags li')).toHaveText(['クレーム2']);
  await expect(pop.locator('.assignee')).toContainText('佐藤');
  await expect(pop.locator('.assignee dd').first()).toContainText(/休憩中.*戻り予定/);
  await expect(pop.locator('.spoken')).toHaveText('「席を外しております」');
  await expect(pop.locator('.greeting')).toHaveText(
    'お電話ありがとうございます。青葉製作所 お客様窓口の高橋でございます。',
  );
  await expect(pop.locator('.steps li')).toHaveText([
    '申し訳ございません。佐藤はただいま席を外しております。',
    'よろしければ私が代わりにご用件を承ります。',
    /佐藤より折り返しご連絡いたします。管理者承認待ち/,
  ]);
  expect(await pop.locator('.say').innerText()).not.toContain('休憩');
  await expect(pop.locator('.contact-what').first()).toHaveText('修理日程の相談。部品待ち');
  await expect(pop.locator('.contact-who').first()).toHaveText('佐藤 一郎');
  await expect(pop.locator('.contact-when').first()).toHaveText(/^\d+\/\d+\(.\) 14:12$/);
  expect(await desk.evaluate(() => document.documentElement.scrollHeight <= window.innerHeight)).toBe(true);

  await english(desk);
  await pop.locator('.say').getByText('English').click();
  await expect(pop.locator('.kana')).toHaveText('Yamada Hanako');
  await expect(pop.locator('.assignee')).toContainText(/Sato.*Absent.*On a break.*back at/s);
  await expect(pop.locator('.steps li').first()).toHaveText(
    'I am sorry, Sato is away from the desk at the moment.',
  );
  await expect(pop.locator('.greeting')).toContainText('This is Takahashi speaking.');
  await expect(pop.locator('.contact-who').first()).toHaveText('Sato Ichiro');

  await desk.keyboard.press('F2');
  await expect(pop.locator('.notice')).toContainText('confirmed');
  await desk.keyboard.press('Enter');
  await expect(pop.locator('.call-status')).toContainText('Yours');
  await expect(pop.locator('.call-status')).toContainText(/Talking 0:0\d/);
  expect(call.ladder()).toContain('200 OK');

  expect(await call.over).toBe(0);
  await expect(pop.locator('.call-status')).toContainText('Wrap-up');
  await desk.keyboard.press('F4');
  await expect(pop).toHaveCount(0);
  await expect(desk.getByRole('heading', { name: 'Waiting for calls' })).toBeVisible();
});

test('wrap-up is not finished while a danger notice is unread, by key or by command', async ({
  desk,
  demo,
}) => {
  const call = demo.call(YAMADA, { talk: 1 });
  await expect(desk.getByTestId('pop')).toBeVisible();
  await call.over;
  await expect(desk.locator('.call-status')).toContainText('後処理');
  await desk.keyboard.press('F4');
  await expect(desk.locator('.actions')).toContainText('重要事項の確認(F2)が済むまで終えられません');
  expect(await refusal(desk)).toMatchObject({ code: 'notice_unacked' });
  await desk.keyboard.press('F2');
  await expect(desk.getByRole('button', { name: /後処理を終える/ })).toBeEnabled();
  await desk.keyboard.press('F4');
  await expect(desk.getByTestId('pop')).toHaveCount(0);
});

/** What the server itself says to `wrapup.finish`, past the page's own check. */
function refusal(desk: Page): Promise<unknown> {
  return desk.evaluate(() => {
    const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/ws/v1`, 'spop.v1');
    const send = (frame: object) => socket.send(JSON.stringify({ v: 1, ...frame }));
    return new Promise((done) => {
      socket.onopen = () => send({ kind: 'hello', data: { client: 'test', tab: 't-x', resume: [] } });
      socket.onmessage = ({ data }) => {
        const frame = JSON.parse(String(data));
        if (frame.type === 'snapshot') {
          const { call, rev } = frame.data.pops[0];
          const id = '01JD9ZM0000000000000000000';
          send({ kind: 'command', type: 'wrapup.finish', id, call, rev, data: {} });
        }
        if (frame.kind !== 'reply') return;
        socket.close();
        done(frame.error);
      };
    });
  });
}

test('a caller who gives up leaves the screen and stands among the missed', async ({ desk, demo }) => {
  const call = demo.call(YAMADA);
  await expect(desk.getByTestId('pop')).toBeVisible();
  call.giveUp();
  await expect(desk.getByTestId('pop')).toHaveCount(0);
  await expect(desk.getByTestId('ended')).toContainText('相手が切断しました');
  await expect(desk.locator('.missed li')).toContainText('山田 花子');
});

test('an unknown caller', async ({ desk, demo }) => {
  demo.call('090-1234-0001');
  await expect(desk.locator('.name')).toHaveText('該当者なし');
  await expect(desk.locator('.numbers')).toContainText('090-1234-0001');
  await expect(desk.locator('.greeting')).toContainText('青葉製作所');
  await expect(desk.locator('.pop .contacts tbody tr')).toHaveCount(0);
});

test('several matches: names only, then a key chooses and the history appears', async ({ desk, demo }) => {
  demo.call('03-1234-5690');
  await expect(desk.locator('.several li')).toHaveCount(3);
  for (const secret of ['.notice', '.flags', '.contacts', '.assignee', '.steps']) {
    await expect(desk.locator(`.pop ${secret}`)).toHaveCount(0);
  }
  const chosen = (await desk.locator('.several-name strong').nth(1).innerText()).trim();
  await desk.keyboard.press('2');
  await expect(desk.locator('.name')).toContainText(chosen);
  await expect(desk.locator('.several')).toHaveCount(0);
  await expect(desk.locator('.pop .contacts tbody tr').first()).toBeVisible();
});

for (const [from, label] of [
  ['anonymous', '非通知'],
  ['payphone', '公衆電話'],
] as const) {
  test(`${from}: a word instead of a number, and nothing is looked up`, async ({ desk, demo }) => {
    demo.call(from);
    await expect(desk.locator('.name')).toHaveText(label);
    await expect(desk.locator('.pop .contacts')).toContainText('照会なし');
  });
}

test('two tabs are equal, one of them sounds', async ({ desk, demo, context }) => {
  const second = await context.newPage();
  await second.goto(demo.url);
  await expect(second.locator('.link-state')).toHaveAttribute('data-phase', 'open');
  demo.call(YAMADA);
  const tabs = [desk, second];
  for (const tab of tabs) await expect(tab.locator('.name')).toContainText('山田 花子');
  await expect
    .poll(async () => (await Promise.all(tabs.map(sounding))).filter(Boolean).length)
    .toBe(1);
  await second.keyboard.press('F2');
  for (const tab of tabs) await expect(tab.locator('.notice')).toContainText('確認済');
});

async function sounding(tab: Page): Promise<boolean> {
  return (await tab.locator('body').getAttribute('data-sounding')) === 'true';
}

test('a reload in the middle of a call brings the card back as it was', async ({ desk, demo }) => {
  const call = demo.call(YAMADA, { talk: 8 });
  await expect(desk.getByTestId('pop')).toBeVisible();
  await desk.keyboard.press('F2');
  await expect(desk.locator('.notice')).toContainText('確認済');
  await expect(desk.locator('.call-status')).toContainText(/通話 0:0[1-9]/);
  await desk.reload();
  await expect(desk.locator('.name')).toContainText('山田 花子');
  await expect(desk.locator('.notice')).toContainText('確認済');
  await expect(desk.locator('.call-status')).toContainText(/通話 0:0[2-9]/);
  await expect(desk.locator('.steps li')).toHaveCount(3);
  await call.over;
  await expect(desk.locator('.call-status')).toContainText('後処理');
  await desk.reload();
  await expect(desk.locator('.call-status')).toContainText('後処理');
  await desk.keyboard.press('F4');
  await expect(desk.getByTestId('pop')).toHaveCount(0);
});

test('an agent on a break is not offered the call', async ({ desk, demo }) => {
  await desk.getByRole('button', { name: /在席状況を変更/ }).click();
  await desk.getByRole('radio', { name: '休憩中' }).check();
  await desk.getByRole('button', { name: '変更', exact: true }).click();
  await expect(desk.getByRole('heading', { name: 'いまは着信を受けません' })).toBeVisible();
  const call = demo.call('090-1234-0001', { to: SERVICE, talk: 1 });
  expect(await call.over).toBe(0);
  await expect(desk.getByTestId('pop')).toHaveCount(0);
  await expect(desk.locator('.missed li')).toHaveCount(0);
});

test('calls can be tried from the page, by keyboard alone', async ({ desk }) => {
  await desk.getByRole('button', { name: '着信を試す' }).focus();
  await desk.keyboard.press('Enter');
  await expect(desk.getByRole('menuitem')).toHaveCount(20);
  // A key that comes before the menu has the focus is lost; the menu wraps round.
  await expect(async () => {
    await desk.keyboard.press('ArrowDown');
    await expect(desk.getByRole('menuitem').first()).toBeFocused({ timeout: 250 });
  }).toPass();
  await desk.keyboard.press('Enter');
  await expect(desk.getByTestId('pop')).toBeVisible();
  await expect(desk.getByTestId('pop')).toBeFocused();
  await desk.keyboard.press('Enter');
  await expect(desk.locator('.call-status')).toContainText('対応中');
});

test('callers come by themselves as long as that is switched on', async ({ desk }) => {
  await desk.getByRole('button', { name: '着信を試す' }).click();
  await desk.getByRole('menuitemcheckbox').click();
  await expect(desk.getByRole('menuitemcheckbox')).toHaveAttribute('aria-checked', 'true');
  await desk.keyboard.press('Escape');
  await expect(desk.getByRole('menuitem')).toHaveCount(0);
  await expect(desk.getByTestId('pop')).toBeVisible();
  await desk.keyboard.press('F3');
  await expect(desk.getByRole('menuitem').first()).toHaveText('クレームのため担当・管理者へ');
  await expect(async () => {
    await desk.keyboard.press('ArrowDown');
    await expect(desk.getByRole('menuitem').first()).toBeFocused({ timeout: 250 });
  }).toPass();
  await desk.keyboard.press('Enter');
  await expect(desk.getByTestId('pop')).toHaveCount(0);
  await expect(desk.getByTestId('pop')).toBeVisible();
  await desk.getByRole('button', { name: '自動着信中' }).click();
  await desk.getByRole('menuitemcheckbox').click();
  await expect(desk.getByRole('button', { name: '着信を試す' })).toBeVisible();
});
