import { arrowTo, connected, expect, logIn, test } from './desk';

test('a normal server has no calls to try, and the page says nothing of them', async ({ desk }) => {
  await expect(desk.locator('.team li').first()).toBeVisible();
  await expect(desk.getByTestId('demo')).toHaveCount(0);
  await expect(desk.getByText('着信を試す')).toHaveCount(0);
});

test('in the demonstration calls are chosen by keyboard, in the language of the page', async ({
  page,
  mock,
}) => {
  mock.demo = {
    items: [
      { id: 'break', from: '03-1234-5678', line: '0120-123-456', ja: '担当は休憩中', en: 'On a break' },
      { id: 'unknown', from: '090-1234-0001', line: '0120-123-456', ja: '該当者なし', en: 'Nobody known' },
    ],
    calls: [],
    status: 202,
  };
  await page.goto(mock.url);
  await logIn(page);
  await page.getByRole('button', { name: '着信を試す' }).focus();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('menuitem')).toHaveText([/担当は休憩中.*03-1234-5678/, /該当者なし/]);
  await arrowTo(page, page.getByRole('menuitem').last());
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('demo-said')).toHaveText('発信しました');
  expect(mock.demo.calls).toEqual(['unknown']);

  mock.demo.status = 429;
  await page.getByRole('button', { name: /English/ }).click();
  await page.getByRole('button', { name: 'Try a call' }).click();
  await page.getByRole('menuitem', { name: /On a break/ }).click();
  await expect(page.getByTestId('demo-said')).toContainText('Too many calls at once');
  await connected(page);
});
