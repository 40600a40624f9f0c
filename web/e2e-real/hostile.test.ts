import { createSocket } from 'node:dgram';
import type { Page } from '@playwright/test';
import { SERVICE, expect, test } from './demo';

// N53, N54 end to end: the display name of a real INVITE, through the real server, into Chromium.
const MARKUP = '<img src=x onerror="window.__pwned=1">';
const OVERRIDE = '山田\u202e子花 様\u2066殿\u200b';

async function nothingBroke(page: Page): Promise<void> {
  // An injected image would act when it fails to load; one that fails later shows that it had its chance.
  await page.evaluate(() => {
    const later = new Image();
    const failed = new Promise((done) => later.addEventListener('error', done));
    later.src = '/x';
    return failed.then(() => true);
  });
  expect(await page.evaluate(() => (window as unknown as { __pwned?: number }).__pwned)).toBeUndefined();
  await expect(page.locator('#root img, #root script, #root svg[onload]')).toHaveCount(0);
  const seen = await page.evaluate(() => {
    const card = document.querySelector('.pop')?.getBoundingClientRect();
    return { wide: document.documentElement.scrollWidth, high: document.documentElement.scrollHeight, card };
  });
  expect(seen.wide).toBeLessThanOrEqual(1280);
  expect(seen.high).toBeLessThanOrEqual(720);
  expect(seen.card?.left).toBeGreaterThanOrEqual(0);
  expect(seen.card?.right).toBeLessThanOrEqual(1280);
  await expect(page.locator('.call-status')).toBeInViewport({ ratio: 1 });
  await expect(page.getByRole('button', { name: /対応する/ })).toBeInViewport({ ratio: 1 });
}

test('n53: a display name that is markup is read as text and runs nothing', async ({ desk, demo }) => {
  demo.call('090-1234-0001', { name: MARKUP });
  await expect(desk.locator('.sent-name bdi')).toHaveText(MARKUP);
  await nothingBroke(desk);
  await desk.keyboard.press('Enter');
  await expect(desk.locator('.call-status')).toContainText('対応中');
});

test('n54: a right-to-left override turns nothing around', async ({ desk, demo }) => {
  demo.call('090-1234-0001', { name: OVERRIDE });
  await expect(desk.locator('.sent-name')).toContainText('山田');
  expect(await desk.getByTestId('pop').innerText()).not.toMatch(/[\u202a-\u202e\u2066-\u2069\u200b]/);
  await nothingBroke(desk);
});

for (const [what, name] of [
  ['words', 'W'.repeat(10_240)],
  ['kanji', '長'.repeat(3_414)],
] as const) {
  test(`n54: ten kilobytes of ${what} leave the card whole`, async ({ desk, demo }) => {
    await invite(demo.sip, name);
    await expect(desk.locator('.sent-name')).toBeVisible();
    const shown = await desk.locator('.sent-name bdi').innerText();
    expect(Array.from(shown).length).toBeLessThanOrEqual(128);
    await nothingBroke(desk);
  });
}

/** An INVITE of our own hand: no tool stands between the name and the server. */
async function invite(sip: string, name: string): Promise<void> {
  const [host, port] = sip.split(':');
  const socket = createSocket('udp4');
  await new Promise<void>((ready) => socket.bind(0, '127.0.0.1', ready));
  const own = `127.0.0.1:${socket.address().port}`;
  const lines = [
    `INVITE sip:${SERVICE}@${sip} SIP/2.0`,
    `Via: SIP/2.0/UDP ${own};branch=z9hG4bK-long-${Date.now()};rport`,
    'Max-Forwards: 70',
    `From: "${name}" <sip:09012340001@${own}>;tag=long`,
    `To: <sip:${SERVICE}@${sip}>`,
    `Call-ID: long-${Date.now()}@${own}`,
    'CSeq: 1 INVITE',
    `Contact: <sip:caller@${own}>`,
    'Content-Length: 0',
    '',
    '',
  ];
  await new Promise((sent) => socket.send(lines.join('\r\n'), Number(port), host, sent));
  socket.unref();
}
