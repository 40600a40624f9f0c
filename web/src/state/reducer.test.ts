import { describe, expect, it } from 'vitest';
import type { ReplyFrame } from '../protocol/frames';
import { T0, connected, offered } from './fixture';
import { INITIAL, LIMITS } from './model';
import { reduce } from './reducer';
import {
  firstUnacked,
  finishBlocked,
  isPending,
  lostSeconds,
  needsChoice,
  noticesInOrder,
} from './selectors';

const COMMAND = { type: 'pop.take', id: '01A', call: 'c-1', rev: 1, data: {} };

function reply(over: Partial<ReplyFrame>): ReplyFrame {
  return { kind: 'reply', repliesTo: '01A', ok: true, data: {}, error: null, ...over };
}

describe('commands', () => {
  it('are pending until answered', () => {
    const sent = reduce(offered(), { type: 'sent', command: COMMAND, now: T0 });
    expect(isPending(sent, 'pop.take', 'c-1')).toBe(true);
    const done = reduce(sent, { type: 'frame', frame: reply({}), now: T0 });
    expect(isPending(done, 'pop.take')).toBe(false);
    expect(done.messages).toEqual([]);
  });

  it('that are refused are told in the words of the server', () => {
    const sent = reduce(offered(), { type: 'sent', command: COMMAND, now: T0 });
    const error = {
      code: 'already_taken',
      ja: '佐藤が対応中です',
      en: 'Taken by Sato',
      retry: false,
      current: null,
    };
    const refused = reduce(sent, { type: 'frame', frame: reply({ ok: false, error }), now: T0 });
    expect(refused.messages).toEqual([
      { id: '01A', code: 'already_taken', ja: '佐藤が対応中です', en: 'Taken by Sato', at: T0 },
    ]);
    expect(reduce(refused, { type: 'dismiss', id: '01A' }).messages).toEqual([]);
  });

  it('that conflict bring the card as it now is', () => {
    const sent = reduce(offered(), { type: 'sent', command: COMMAND, now: T0 });
    const current = { rev: 4, data: { flags: [{ code: 'vip' }] } };
    const error = { code: 'conflict', ja: '', en: '', retry: false, current };
    const after = reduce(sent, { type: 'frame', frame: reply({ ok: false, error }), now: T0 });
    expect(after.pops['c-1']).toMatchObject({ rev: 4, data: { flags: [{ code: 'vip' }] } });
    expect(after.messages[0]?.code).toBe('conflict');
  });

  it('without an answer for ten seconds are told once as a time-out', () => {
    const sent = reduce(offered(), { type: 'sent', command: COMMAND, now: T0 });
    expect(reduce(sent, { type: 'tick', now: T0 + 9_999 })).toBe(sent);
    const late = reduce(sent, { type: 'tick', now: T0 + 10_000 });
    expect(late.messages.map((message) => message.code)).toEqual(['timeout']);
    expect(reduce(late, { type: 'tick', now: T0 + 11_000 })).toBe(late);
  });

  it('never pile up beyond their limit', () => {
    let state = connected();
    for (let n = 0; n < 100; n += 1) {
      state = reduce(state, { type: 'sent', command: { ...COMMAND, id: `n${n}` }, now: T0 });
      state = reduce(state, {
        type: 'refused',
        command: { ...COMMAND, id: `r${n}` },
        code: 'unavailable',
        now: T0,
      });
    }
    expect(Object.keys(state.pending)).toHaveLength(LIMITS.pending);
    expect(state.messages).toHaveLength(LIMITS.messages);
  });
});

describe('link', () => {
  it('counts the loss from its beginning, through every try, until all is caught up', () => {
    let state = reduce(connected(), { type: 'link', phase: 'waiting', closeCode: 1006, now: T0 });
    state = reduce(state, { type: 'link', phase: 'connecting', closeCode: null, now: T0 + 2_000 });
    expect(lostSeconds(state, T0 + 3_500)).toBe(3.5);
    expect(state.lead).toBe(false);
    expect(lostSeconds(connected(), T0 + 60_000)).toBe(0);
  });

  it('reset leaves nothing of the customers', () => {
    expect(reduce(offered(), { type: 'reset' })).toBe(INITIAL);
  });
});

describe('what the keys act on', () => {
  const pop = offered().pops['c-1'];
  if (pop === undefined) throw new Error('no card');

  it('the next notice to confirm is the gravest unread one', () => {
    const warn = { id: 'n-1', level: 'warn' as const, text: '', by: '', at: null, acked: false };
    const danger = { ...warn, id: 'n-2', level: 'danger' as const };
    const two = { ...pop, data: { ...pop.data, notices: [warn, danger] } };
    expect(noticesInOrder(two).map((notice) => notice.id)).toEqual(['n-2', 'n-1']);
    expect(firstUnacked({ ...two, ackedNotices: ['n-2'] })?.id).toBe('n-1');
    expect(finishBlocked(two)).toBe(true);
    expect(finishBlocked({ ...two, ackedNotices: ['n-2'] })).toBe(false);
  });

  it('a choice is needed only while several match and none is chosen', () => {
    const several = { ...pop.data.match, level: 'several', customer: null };
    expect(needsChoice({ ...pop, data: { ...pop.data, match: several } })).toBe(true);
    expect(needsChoice(pop)).toBe(false);
  });
});
