import { describe, expect, it } from 'vitest';
import { CARD, STREAM, T0, callEvent, connected, event, fold, offered, welcome } from './fixture';
import { canRetrieve, parkedInOrder, placeOf, waitLeft, waited } from './selectors';

const at = (seconds: number) => new Date(T0 + seconds * 1000).toISOString();

const PARKED = {
  mode: 'ringing',
  since: at(-60),
  until: at(30),
  limit: at(120),
  position: 1,
  group: 'front',
  caller: CARD.caller,
  customer: '山田 花子',
  assignee: { id: 'a055', name: '佐藤' },
  dialled: CARD.dialled,
};

const waiting = (over: object = {}) =>
  fold(connected(), callEvent('call.parked', 1, null, { ...PARKED, ...over }));

describe('the lot', () => {
  it('shows who waits, for how long and how long still', () => {
    const state = waiting();
    const [parked] = parkedInOrder(state);
    if (parked === undefined) throw new Error('nobody waits');
    expect(parked).toMatchObject({ customer: '山田 花子', mode: 'ringing', clientName: '青葉製作所' });
    expect(parked.assignee).toEqual({ id: 'a055', name: '佐藤' });
    expect([waited(state, parked, T0), waitLeft(state, parked, T0)]).toEqual([60_000, 120_000]);
    expect(placeOf(parked, [parked])).toBe(1);
  });

  it('forgets whoever waits no longer, and a warning for somebody it does not know', () => {
    const state = fold(waiting(), callEvent('park.warning', 2, null, { waited_s: 60, left_s: 30 }));
    expect(state.parked['c-1']?.warned).toBe(true);
    const again = fold(state, callEvent('call.parked', 3, null, { ...PARKED, mode: 'early-media' }));
    expect(again.parked['c-1']).toMatchObject({ mode: 'early-media', warned: true });
    const gone = fold(again, callEvent('call.retrieved', 4, null, { outcome: 'retrieved' }));
    expect(gone.parked).toEqual({});
    expect(fold(gone, callEvent('park.warning', 5, null)).parked).toEqual({});
  });

  it('counts the places of each group by itself, and none for who waits for one person', () => {
    let state = connected();
    const rows = [
      ['c-1', { since: at(-10) }],
      ['c-2', { since: at(-30) }],
      ['c-3', { since: at(-20), group: 'sales' }],
      ['c-4', { since: at(-40), position: 0 }],
    ] as const;
    rows.forEach(([call, over], index) => {
      state = fold(state, event('call.parked', index + 1, { ...PARKED, ...over }, { call }));
    });
    const order = parkedInOrder(state);
    expect(order.map((one) => [one.call, placeOf(one, order)])).toEqual([
      ['c-4', null],
      ['c-2', 1],
      ['c-3', 1],
      ['c-1', 2],
    ]);
  });

  it('takes a snapshot as the whole truth of its own stream, and of no other', () => {
    const team = { stream: 'team:front', epoch: 't', seq: 0, resumed: false };
    const streams = [{ stream: STREAM, epoch: 'b7f3', seq: 1, resumed: true }, team];
    const both = fold(waiting(), welcome({ streams }));
    const shared = event(
      'snapshot',
      0,
      { presences: [], parked: [{ ...PARKED, call: 'c-2' }] },
      { stream: 'team:front', epoch: 't' },
    );
    const known = fold(both, shared);
    expect(Object.keys(known.parked)).toEqual(['c-1', 'c-2']);
    const emptied = fold(known, event('snapshot', 1, { pops: [], parked: [] }));
    expect(Object.keys(emptied.parked)).toEqual(['c-2']);
  });

  it('does not show the caller whose card is on this screen', () => {
    const state = fold(offered(), callEvent('call.parked', 2, null, PARKED));
    expect(parkedInOrder(state)).toEqual([]);
  });

  it('leaves out a number that a restricted caller must not have', () => {
    const caller = { presentation: 'withheld', national: '090-1234-5678', label_ja: '非通知' };
    expect(waiting({ caller, customer: null }).parked['c-1']?.caller.national).toBeNull();
  });
});

describe('overlays', () => {
  const presence = (over: object) =>
    fold(
      connected(),
      event('presence.changed', 1, { agent: 'a102', status: 'available', state: 'idle', ...over }),
    );

  it('stand beside the chosen status and end with the next document', () => {
    const stale = presence({ overlays: [{ kind: 'client_stale', since: at(0) }] });
    expect(stale.presence).toMatchObject({
      status: 'available',
      overlays: [{ kind: 'client_stale', since: at(0) }],
    });
    expect(canRetrieve(stale)).toBe(false);
    expect(canRetrieve(presence({}))).toBe(true);
    expect(canRetrieve(presence({ state: 'wrap_up' }))).toBe(false);
  });
});
