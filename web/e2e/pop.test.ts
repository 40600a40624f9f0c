import { degraded, english, known, restricted, several, unknown } from '../mock/scenarios.mjs';
import { arrowTo, expect, test } from './desk';

test('a wrong password is refused in words, the right one opens the desk', async ({ page, mock }) => {
  await page.goto(mock.url);
  await page.getByLabel('ユーザー名').fill('高橋');
  await page.locator('input[name=password]').fill('wrong');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('alert')).toHaveText('ユーザー名またはパスワードが違います');
  await page.locator('input[name=password]').fill('password');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: '着信をお待ちください' })).toBeVisible();
});

test('the card has its parts in the order of reading', async ({ desk, mock }) => {
  mock.desk.offer(known());
  const pop = desk.getByTestId('pop');
  await expect(pop.locator('.name')).toContainText('山田 花子');
  const order = await pop.evaluate((card) =>
    ['.notice', '.who', '.flags', '.assignee', '.say', '.open', '.contacts', '.actions'].map((part) =>
      [...card.querySelectorAll('*')].indexOf(card.querySelector(part) as Element),
    ),
  );
  expect(order).toEqual([...order].sort((a, b) => a - b));
  expect(order).not.toContain(-1);
  await expect(pop.locator('.kana')).toHaveText('ヤマダ ハナコ');
  await expect(pop.locator('.numbers')).toContainText('03-1234-5678');
  await expect(pop.locator('.numbers')).toContainText('青葉製作所');
  await expect(pop.locator('.flags li')).toHaveText(['クレーム2', '頻回 6回/24h', '催促 1回目']);
});

test('m034 m008: the internal reason is marked so, and the three steps never say it', async ({
  desk,
  mock,
}) => {
  mock.desk.offer(known());
  await expect(desk.locator('.assignee dd').first()).toContainText('休憩中');
  await expect(desk.locator('.spoken')).toHaveText('「席を外しております」');
  const steps = desk.locator('.steps li');
  await expect(steps).toHaveCount(3);
  expect(await steps.evaluateAll((items) => items.map((item) => (item as HTMLElement).dataset.step))).toEqual(
    ['explain_absence', 'offer_help', 'propose_callback'],
  );
  expect(await desk.locator('.say').innerText()).not.toContain('休憩');
  await expect(steps.nth(2)).toContainText('管理者承認待ち');
});

test('m020: when, who and what of three contacts are seen at 1280×720 without scrolling', async ({
  desk,
  mock,
}) => {
  mock.desk.offer(known());
  const rows = desk.locator('.contacts tbody tr');
  await expect(rows).toHaveCount(3);
  for (const row of await rows.all()) {
    for (const cell of ['.contact-when', '.contact-who', '.contact-what']) {
      await expect(row.locator(cell)).toBeInViewport({ ratio: 1 });
      expect((await row.locator(cell).innerText()).trim()).not.toBe('');
    }
  }
  await expect(desk.locator('.actions')).toBeInViewport({ ratio: 1 });
  expect(await desk.evaluate(() => document.documentElement.scrollHeight <= window.innerHeight)).toBe(true);
});

test('the server hears that the card was painted, once', async ({ desk, mock }) => {
  mock.desk.offer(known());
  await expect(desk.getByTestId('pop')).toBeVisible();
  await expect.poll(() => mock.desk.acks.filter((ack) => ack.replies_to.length > 0).length).toBe(1);
  expect(mock.desk.acks[0]?.data).toMatchObject({ stream: 'agent:a102', seq: 1, visibility: 'visible' });
});

test('m022: F2 confirms the notice, which comes first and stays readable', async ({ desk, mock }) => {
  const call = mock.desk.offer(known());
  const notice = desk.getByRole('alertdialog');
  await expect(notice).toContainText('返金条件は必ず管理者確認。断定回答しない');
  await expect(notice).toContainText('SV 鈴木');
  await desk.keyboard.press('F2');
  await expect(desk.getByRole('alertdialog')).toHaveCount(0);
  await expect(desk.locator('.notice')).toContainText('確認済');
  expect(mock.desk.commands).toMatchObject([{ type: 'notice.ack', call, rev: 1, data: { id: 'n-3' } }]);
});

test('Enter takes, the clock runs, F4 ends the wrap-up but not before the notice is confirmed', async ({
  desk,
  mock,
}) => {
  const call = mock.desk.offer({ ...known(), flags: [] });
  await expect(desk.locator('.meter')).toBeVisible();
  await desk.keyboard.press('Enter');
  await expect(desk.getByTestId('call-status')).toContainText('対応中');
  mock.desk.endCall(call);
  await expect(desk.getByRole('button', { name: /後処理を終える/ })).toBeDisabled();
  await desk.keyboard.press('F4');
  await desk.keyboard.press('F2');
  await expect(desk.getByRole('button', { name: /後処理を終える/ })).toBeEnabled();
  await desk.keyboard.press('F4');
  await expect(desk.getByTestId('pop')).toHaveCount(0);
  expect(mock.desk.commands.map((command) => command.type)).toEqual([
    'pop.take',
    'notice.ack',
    'wrapup.finish',
  ]);
});

test('declining asks for a reason; with a complaint the policy comes first', async ({ desk, mock }) => {
  mock.desk.offer(known());
  await expect(desk.getByTestId('pop')).toBeVisible();
  await desk.keyboard.press('F3');
  const reasons = desk.getByRole('menuitem');
  await expect(reasons.first()).toHaveText('クレームのため担当・管理者へ');
  await arrowTo(desk, reasons.first());
  await desk.keyboard.press('Enter');
  await expect(desk.getByTestId('pop')).toHaveCount(0);
  await expect(desk.getByTestId('ended')).toContainText('辞退しました');
  expect(mock.desk.commands).toMatchObject([{ type: 'pop.decline', data: { reason: 'policy_complaint' } }]);
});

test('actions that nobody can carry out yet are not offered', async ({ desk, mock }) => {
  mock.desk.offer({ ...known(), flags: [], actions: ['take', 'transfer', 'callback', 'hold', 'decline'] });
  await expect(desk.locator('.actions button')).toHaveText([/対応する/, /辞退/]);
});

test('several matches: only names until a digit chooses one', async ({ desk, mock }) => {
  mock.desk.offer({
    ...several(),
    notices: known().notices,
    contacts: known().contacts,
    flags: known().flags,
  });
  await expect(desk.locator('.several li')).toHaveCount(3);
  for (const secret of ['.notice', '.flags', '.contacts', '.assignee', '.open', '.steps']) {
    await expect(desk.locator(`.pop ${secret}`)).toHaveCount(0);
  }
  expect(await desk.getByTestId('pop').innerText()).not.toContain('修理日程');
  await desk.keyboard.press('2');
  await expect(desk.locator('.name')).toContainText('山田 太郎');
  await expect(desk.locator('.contact-what')).toHaveText(['選択後に見える履歴']);
  expect(mock.desk.commands).toMatchObject([{ type: 'pop.choose', data: { customer: 'cu-89' } }]);
});

for (const [presentation, label] of [
  ['withheld', '非通知'],
  ['payphone', '公衆電話'],
  ['out_of_area', '表示圏外'],
  ['service_conflict', '通知不可'],
] as const) {
  test(`a caller without a number is shown as ${label}, and no number is anywhere`, async ({
    desk,
    mock,
  }) => {
    const card = restricted(presentation);
    // Even a server that leaks it must not get it onto the screen.
    card.caller = { ...card.caller, e164: '+819012345678', national: '090-1234-5678' };
    mock.desk.offer(card);
    await expect(desk.locator('.name')).toHaveText(label);
    expect(await desk.content()).not.toContain('090-1234-5678');
    await expect(desk.locator('.pop .contacts')).toContainText('照会なし');
  });
}

test('an unknown caller has number, line, greeting and actions', async ({ desk, mock }) => {
  mock.desk.offer(unknown());
  await expect(desk.locator('.name')).toHaveText('該当者なし');
  await expect(desk.locator('.numbers')).toContainText('03-1234-5678');
  await expect(desk.locator('.greeting')).toContainText('青葉製作所');
});

test('a look-up that failed says so and does not claim that there is nothing', async ({ desk, mock }) => {
  const call = mock.desk.offer(degraded());
  await expect(desk.locator('.name')).toContainText('照会不可 – 番号のみ表示');
  await expect(desk.locator('.numbers')).toContainText('03-1234-5678');
  await expect(desk.locator('.pop .contacts')).not.toContainText('履歴なし');
  mock.desk.update('pop.enriched', call, {
    match: known().match,
    contacts: known().contacts,
    sources: { local: 'ok' },
  });
  await expect(desk.locator('.name')).toContainText('山田 花子');
  await expect(desk.locator('.contacts tbody tr')).toHaveCount(3);
});

test('a withdrawn call leaves the screen and stands in the list of missed calls', async ({ desk, mock }) => {
  const call = mock.desk.offer(known());
  await expect(desk.getByTestId('pop')).toBeVisible();
  mock.desk.withdraw(call);
  await expect(desk.getByTestId('pop')).toHaveCount(0);
  await expect(desk.getByTestId('ended')).toContainText('相手が切断しました');
  await expect(desk.locator('.missed li')).toContainText('山田 花子');
});

test('past ten seconds the clock says so', async ({ desk, mock }) => {
  const call = mock.desk.offer(known());
  await expect(desk.locator('.clock')).toContainText('着信中');
  mock.desk.emit('ring.sla', { call, rev: 1 });
  await expect(desk.locator('.clock')).toContainText('10秒超過');
  await expect(desk.locator('.clock')).toHaveAttribute('data-late', 'true');
});

test('the page changes its language live, the script follows the customer', async ({ desk, mock }) => {
  mock.desk.offer(known());
  await desk
    .getByRole('button', { name: /English/ })
    .first()
    .click();
  await expect(desk.locator('.actions')).toContainText('To a manager');
  await expect(desk.locator('.greeting')).toContainText('お電話ありがとうございます');
  await desk.locator('.say').getByText('English').click();
  await expect(desk.locator('.greeting')).toContainText('Thank you for calling');
  await expect(desk.locator('.steps li').nth(2)).toContainText('(日本語のみ)');
  await desk
    .getByRole('button', { name: /日本語/ })
    .first()
    .click();
  await expect(desk.locator('.actions')).toContainText('管理者へ');
  await expect(desk.locator('.greeting')).toContainText('Thank you for calling');
  expect(await desk.evaluate(() => document.documentElement.lang)).toBe('ja');
});

test('a customer who speaks English gets the English script on a Japanese page', async ({ desk, mock }) => {
  mock.desk.offer(english());
  await expect(desk.locator('.greeting')).toContainText('Thank you for calling');
  await expect(desk.locator('.say h3')).toHaveText('言い方');
});
