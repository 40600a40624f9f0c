import { describe, expect, it } from 'vitest';
import { clock, date, dateTime, daysAway, duration, nextClock, timeOf, when } from './time';
import { romanised } from './roman';
import { SHOWN_LENGTH, visible } from './visible';

const NOW = Date.parse('2026-11-22T05:00:00Z'); // Sunday 14:00 in Tokyo

describe('n54_visible_text', () => {
  it('leaves markup as the text it is', () => {
    expect(visible('<img src=x onerror=alert(1)>')).toBe('<img src=x onerror=alert(1)>');
  });

  it.each(['\u202e', '\u202a', '\u2066', '\u2069', '\u200f', '\u061c'])(
    'makes the bidi control %j visible',
    (control) => {
      expect(visible(`ab${control}cd`)).toBe('ab\ufffdcd');
    },
  );

  it('removes NUL, BEL, escape sequences and zero-width characters', () => {
    expect(visible('a\u0000b\u0007\u001b[31mc\u200bd\ufeff')).toBe('a b [31mcd');
  });

  it('keeps kanji variants, half-width kana and joined emoji', () => {
    for (const text of ['髙﨑', '辻\u{e0100}', 'ﾔﾏﾀﾞ', '👩\u200d💻']) expect(visible(text)).toBe(text);
  });

  it('stacks at most four combining marks and cuts 10 kB to 128 characters', () => {
    expect(visible(`z${'\u0301'.repeat(500)}`)).toBe(`z${'\u0301'.repeat(4)}`);
    expect(Array.from(visible('長'.repeat(10_000)))).toHaveLength(SHOWN_LENGTH);
    expect(Array.from(visible('😀'.repeat(10_000)))).toHaveLength(SHOWN_LENGTH);
  });

  it('is well-formed even when the text was not', () => {
    expect(visible('a\ud800b').isWellFormed()).toBe(true);
  });
});

describe('times', () => {
  it('are those of the centre, 24 hours, with the weekday', () => {
    expect(clock(NOW)).toBe('14:00');
    expect(date(NOW, 'ja', NOW)).toBe('11/22(日)');
    expect(date(NOW, 'en', NOW)).toBe('Sun 22 Nov');
    expect(dateTime(Date.parse('2025-12-31T15:05:00Z'), 'ja', NOW)).toBe('1/1(木) 00:05');
    expect(date(Date.parse('2025-12-30T15:05:00Z'), 'ja', NOW)).toBe('2025/12/31(水)');
  });

  it('are said as today, tomorrow or with a date', () => {
    expect(when(NOW + 3_600_000, 'ja', NOW)).toBe('15:00');
    expect(when(NOW + 20 * 3_600_000, 'ja', NOW)).toBe('明日 10:00');
    expect(when(NOW + 20 * 3_600_000, 'en', NOW)).toBe('tomorrow 10:00');
    expect(when(NOW + 48 * 3_600_000, 'ja', NOW)).toBe('11/24(火) 14:00');
    expect(daysAway(NOW - 15 * 3_600_000, NOW)).toBe(-1);
  });

  it('of return are the next such moment', () => {
    expect(nextClock('14:30', NOW)).toBe('2026-11-22T05:30:00.000Z');
    expect(nextClock('9:00', NOW)).toBe('2026-11-23T00:00:00.000Z');
    expect(nextClock('14:00', NOW)).toBe('2026-11-23T05:00:00.000Z');
    for (const wrong of ['', '24:00', '9', '9:60', 'soon']) expect(nextClock(wrong, NOW)).toBeNull();
  });

  it('that are none are null', () => {
    expect(timeOf('soon')).toBeNull();
    expect(timeOf(null)).toBeNull();
    expect(duration(-5)).toBe('0:00');
    expect(duration(127_900)).toBe('2:07');
  });
});

describe('readings in Latin letters', () => {
  it.each([
    ['ヤマダ ハナコ', 'Yamada Hanako'],
    ['サトウ イチロウ', 'Sato Ichiro'],
    ['イノウエ クミコ', 'Inoue Kumiko'],
    ['オオニシ タカシ', 'Onishi Takashi'],
    ['ワタナベ ショウ', 'Watanabe Sho'],
    ['ジュンイチ リョウ', 'Junichi Ryo'],
    ['ホンマ シンペイ', 'Homma Shimpei'],
    ['ホッタ イッチ', 'Hotta Itchi'],
    ['エマ ジョンソン', 'Ema Jonson'],
    ['デイビッド リー', 'Deibiddo Ri'],
    ['フィリップ', 'Firippu'],
    ['ﾔﾏﾀﾞ', 'Yamada'],
  ])('%s is %s', (kana, latin) => {
    expect(romanised(kana)).toBe(latin);
  });

  it('are not guessed from anything but kana', () => {
    for (const other of ['', '山田', 'Emma', '<b>', 'ヤマダ(母)']) expect(romanised(other)).toBeNull();
  });
});
