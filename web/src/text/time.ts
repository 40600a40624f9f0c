import type { Lang } from '../protocol/payload';

// The centre works in Japan; times are shown in its zone wherever the browser thinks it is.
const ZONE = 'Asia/Tokyo';
const WEEKDAYS_JA = ['日', '月', '火', '水', '木', '金', '土'];

interface Parts {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  weekday: number;
}

const FORMAT = new Intl.DateTimeFormat('en-GB', {
  timeZone: ZONE,
  hourCycle: 'h23',
  year: 'numeric',
  month: 'numeric',
  day: 'numeric',
  hour: 'numeric',
  minute: 'numeric',
});

function parts(ms: number): Parts {
  const fields = Object.fromEntries(FORMAT.formatToParts(ms).map(({ type, value }) => [type, Number(value)]));
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0 } = fields;
  return { year, month, day, hour, minute, weekday: new Date(Date.UTC(year, month - 1, day)).getUTCDay() };
}

const WEEKDAYS_EN = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS_EN = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

function two(value: number): string {
  return String(value).padStart(2, '0');
}

/** 14:05, 24 hours. */
export function clock(ms: number): string {
  const { hour, minute } = parts(ms);
  return `${two(hour)}:${two(minute)}`;
}

/** 11/22(土) · Sat 22 Nov; always with the weekday. The year only when it is not this year. */
export function date(ms: number, lang: Lang, now: number): string {
  const { year, month, day, weekday } = parts(ms);
  const otherYear = year !== parts(now).year;
  if (lang === 'ja') return `${otherYear ? `${year}/` : ''}${month}/${day}(${WEEKDAYS_JA[weekday] ?? ''})`;
  return `${WEEKDAYS_EN[weekday] ?? ''} ${day} ${MONTHS_EN[month - 1] ?? ''}${otherYear ? ` ${year}` : ''}`;
}

export function dateTime(ms: number, lang: Lang, now: number): string {
  return `${date(ms, lang, now)} ${clock(ms)}`;
}

/** Days from `now` to `ms` by the calendar of the centre: 0 today, 1 tomorrow, -1 yesterday. */
export function daysAway(ms: number, now: number): number {
  const midnight = (time: number) => {
    const { year, month, day } = parts(time);
    return Date.UTC(year, month - 1, day);
  };
  return Math.round((midnight(ms) - midnight(now)) / 86_400_000);
}

/** A time as people say it: the clock alone today, 明日 9:30 for tomorrow, else with the date. */
export function when(ms: number, lang: Lang, now: number): string {
  const days = daysAway(ms, now);
  if (days === 0) return clock(ms);
  if (days === 1) return `${lang === 'ja' ? '明日' : 'tomorrow'} ${clock(ms)}`;
  return dateTime(ms, lang, now);
}

/** Milliseconds of an RFC 3339 text, null when it is missing or not a time. */
export function timeOf(text: string | null): number | null {
  if (text === null) return null;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? null : ms;
}

/** 0:07, 12:40: minutes and seconds of a duration in milliseconds. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  return `${Math.floor(seconds / 60)}:${two(seconds % 60)}`;
}

/** The next moment the clock of the centre shows `HH:MM`, as RFC 3339; null when it is not such a text. */
export function nextClock(text: string, now: number): string | null {
  const match = /^([01]?\d|2[0-3]):([0-5]\d)$/.exec(text.trim());
  if (match === null) return null;
  const { hour, minute } = parts(now);
  const wanted = Number(match[1]) * 60 + Number(match[2]);
  const present = hour * 60 + minute;
  const ahead = wanted > present ? wanted - present : wanted - present + 24 * 60;
  const start = now - (now % 60_000);
  return new Date(start + ahead * 60_000).toISOString();
}
