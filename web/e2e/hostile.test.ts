import type { Page } from '@playwright/test';
import { known, several, unknown } from '../mock/scenarios.mjs';
import { expect, logIn, test } from './desk';

// N53, N54: what a caller or a record says is text, whatever it looks like.
const XSS = '<img src=x onerror="window.hacked=1;alert(1)">';
const RLO = '山田\u202e子花 様\u2066殿';
const LONG = 'あ'.repeat(5_000) + 'W'.repeat(5_000);
const NAMES = {
  markup: XSS,
  'svg markup': '"><svg/onload=window.hacked=1>',
  'script url': 'javascript:window.hacked=1',
  template: '{{7*7}} ${window.hacked=1} $t(app)',
  'right-to-left override': RLO,
  'ten kilobytes': LONG,
  controls: 'a\u0000b\u0007\u001b[31m\u200b\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301',
};

/** Every place of a card that holds text from outside holds `text`. */
function cardOf(text: string) {
  const card = known();
  const local = { ja: text, en: text };
  return {
    ...card,
    caller: { ...card.caller, name: text },
    dialled: { number: '0120-123-456', client_name: text },
    match: { ...card.match, customer: { id: text, name: text, kana: text, org: text, rank: text } },
    notices: [{ id: 'n-1', level: 'danger', text, by: text, at: '2026-11-20T01:10:00Z' }],
    flags: [{ code: text }, { code: 'complaint', level: 1 }],
    assignee: { id: 'x', name: text, state: text, reason: text, spoken: text, why_assignee: text },
    contacts: [1, 2, 3].map(() => ({ at: '2026-11-20T05:12:00Z', by: text, summary: text })),
    open: {
      cases: [{ id: '1', title: text, status: text, next: text }],
      callbacks: [{ id: '2', by: text, state: text }],
    },
    guidance: { greeting: local, steps: [{ id: text, ...local, locked: text }] },
    offer: { reason: text, ring_limit_s: 10 },
    sources: { local: 'ok', crm: text },
  };
}

async function nothingBroke(page: Page, dialogs: string[]) {
  expect(dialogs).toEqual([]);
  expect(await page.evaluate(() => (window as unknown as { hacked?: number }).hacked)).toBeUndefined();
  await expect(
    page.locator('#root img, #root script, #root svg[onload], #root a[href^="javascript"]'),
  ).toHaveCount(0);
  const wide = await page.evaluate(() => {
    const card = document.querySelector('.pop')?.getBoundingClientRect();
    return { page: document.documentElement.scrollWidth, window: window.innerWidth, right: card?.right ?? 0 };
  });
  expect(wide.page).toBeLessThanOrEqual(wide.window);
  expect(wide.right).toBeLessThanOrEqual(wide.window);
  await expect(page.locator('.actions')).toBeVisible();
}

for (const [name, text] of Object.entries(NAMES)) {
  test(`n53 n54: ${name} in every place runs nothing and breaks nothing`, async ({ desk, mock }) => {
    const dialogs: string[] = [];
    desk.on('dialog', (dialog) => {
      dialogs.push(dialog.message());
      void dialog.dismiss();
    });
    const call = mock.desk.offer(cardOf(text));
    await expect(desk.getByTestId('pop')).toBeVisible();
    await nothingBroke(desk, dialogs);
    await desk
      .getByRole('button', { name: /English/ })
      .first()
      .click();
    await nothingBroke(desk, dialogs);
    mock.desk.withdraw(call, text);
    await expect(desk.getByTestId('pop')).toHaveCount(0);

    const choice = several();
    choice.match.candidates = [1, 2].map((id) => ({ id: `cu-${id}`, name: text, kana: text, org: text }));
    const second = mock.desk.offer(choice);
    await expect(desk.locator('.several li')).toHaveCount(2);
    await nothingBroke(desk, dialogs);
    mock.desk.withdraw(second);

    mock.desk.offer({ ...unknown(), caller: { ...unknown().caller, name: text } });
    await expect(desk.locator('.sent-name')).toBeVisible();
    await nothingBroke(desk, dialogs);
  });
}

test('n53: markup is read as it was written', async ({ desk, mock }) => {
  mock.desk.offer(cardOf(XSS));
  await expect(desk.locator('.name-text')).toHaveText(XSS);
});

test('n54: an override is isolated, made visible, and turns nothing around', async ({ desk, mock }) => {
  mock.desk.offer(cardOf(RLO));
  const name = desk.locator('.name-text bdi');
  await expect(name).toHaveText('山田\ufffd子花 様\ufffd殿');
  expect(await desk.getByTestId('pop').innerText()).not.toMatch(/[\u202a-\u202e\u2066-\u2069]/);
});

test('n54: ten kilobytes leave the notice, the clock and the actions where they are', async ({
  desk,
  mock,
}) => {
  const card = known();
  card.match.customer = { ...card.match.customer, name: LONG, kana: LONG, org: LONG };
  mock.desk.offer(card);
  await expect(desk.locator('.notice button')).toBeInViewport({ ratio: 1 });
  await expect(desk.locator('.call-status')).toBeInViewport({ ratio: 1 });
  expect((await desk.locator('.name-text').innerText()).length).toBeLessThanOrEqual(128);
  const height = (await desk.locator('.who').boundingBox())?.height ?? 0;
  expect(height).toBeLessThan(260);
});

test('n53: the policy of the page blocks a planted inline script', async ({ page, mock }) => {
  await page.goto(mock.url);
  await logIn(page);
  const ran = await page.evaluate(async () => {
    const script = document.createElement('script');
    script.textContent = 'window.planted = 1';
    document.body.append(script);
    await new Promise((done) => setTimeout(done, 50));
    return (window as unknown as { planted?: number }).planted;
  });
  expect(ran).toBeUndefined();
});
