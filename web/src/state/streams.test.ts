import { describe, expect, it } from 'vitest';
import { CARD, STREAM, T0, callEvent, connected, event, fold, offered, welcome } from './fixture';
import { reduce } from './reducer';
import { resumePositions } from './streams';

describe('sequence', () => {
  it('applies the next event and moves the position', () => {
    const state = offered();
    expect(state.streams[STREAM]).toEqual({ stream: STREAM, epoch: 'b7f3', seq: 1, live: true });
    expect(resumePositions(state.streams)).toEqual([{ stream: STREAM, epoch: 'b7f3', seq: 1 }]);
  });

  it('drops an event it has had, by seq and by id', () => {
    const frame = callEvent('notice.acked', 2, 1, { id: 'n-3' });
    const once = fold(offered(), frame);
    expect(fold(once, frame)).toBe(once);
    const sameIdLater = fold(once, { ...frame, seq: 3 });
    expect(sameIdLater.pops).toBe(once.pops);
    expect(sameIdLater.streams[STREAM]?.seq).toBe(3);
  });

  it('takes a hole in live frames as a loss and applies nothing after it', () => {
    const state = fold(offered(), callEvent('pop.withdrawn', 3, 2, { cause: 'timeout' }));
    expect(state.gap).toBe(true);
    expect(state.pops['c-1']).toBeDefined();
    expect(state.streams[STREAM]?.seq).toBe(1);
  });

  it('takes another epoch without a welcome as a loss', () => {
    expect(fold(offered(), callEvent('pop.closed', 2, 2, {}, { epoch: 'new' })).gap).toBe(true);
  });

  it('allows holes among replayed frames, where the server folded', () => {
    const again = fold(
      offered(),
      welcome({}, true, 9),
      callEvent('pop.taken', 5, 2, { by: 'a102' }, { replay: true }),
    );
    expect(again.gap).toBe(false);
    expect(again.pops['c-1']?.phase).toBe('taken');
    expect(again.link.phase).toBe('syncing');
    const done = fold(again, event('sync.done', 9));
    expect(done.link).toEqual({ phase: 'open', lostAt: null, closeCode: null });
    expect(fold(done, callEvent('pop.closed', 11, 3)).gap).toBe(true);
  });

  it('keeps our position over a resumed welcome, so that the next loss resumes from what we have', () => {
    const again = fold(offered(), welcome({}, true, 9));
    expect(resumePositions(again.streams)[0]?.seq).toBe(1);
  });

  it('ignores the numbering of what belongs to a socket and of types it does not know', () => {
    const state = fold(
      connected(),
      event('lead.changed', null, { lead: false }, { stream: null, epoch: null }),
    );
    expect(state.lead).toBe(false);
    const unknown = fold(state, event('weather.changed', 1, { rain: true }));
    expect(unknown.streams[STREAM]?.seq).toBe(1);
    expect(unknown.gap).toBe(false);
  });
});

describe('snapshot', () => {
  it('is the whole truth: cards that are not in it go, those in it come', () => {
    const document = { call: 'c-2', rev: 4, state: 'taken', at: '2026-11-22T04:40:00Z', data: CARD };
    const presence = { agent: 'a102', status: 'away', reason: 'break', state: 'idle' };
    const state = fold(
      offered(),
      welcome({ streams: [{ stream: STREAM, epoch: 'c001', seq: 70, resumed: false }] }),
      event('snapshot', 70, { presence, pops: [document] }, { epoch: 'c001' }),
      event('sync.done', 70, {}, { epoch: 'c001' }),
    );
    expect(Object.keys(state.pops)).toEqual(['c-2']);
    expect(state.pops['c-2']?.phase).toBe('taken');
    expect(state.presence?.reason).toBe('break');
    expect(state.streams[STREAM]).toEqual({ stream: STREAM, epoch: 'c001', seq: 70, live: true });
    expect(state.link.phase).toBe('open');
  });

  it('of a shared stream does not sweep our cards away', () => {
    const state = fold(offered(), event('snapshot', 5, { members: [] }, { stream: 'team:g1', epoch: 'x' }));
    expect(state.pops['c-1']).toBeDefined();
    const presences = [{ agent: 'a055', status: 'away', reason: 'break', state: 'idle' }];
    const team = fold(state, event('snapshot', 5, { presences }, { stream: 'team:g1', epoch: 'x' }));
    expect(team.colleagues.a055?.reason).toBe('break');
  });

  it('names the parts of the system that are down, until they are back', () => {
    const down = fold(connected(), event('system.degraded', 1, { part: 'database' }));
    expect(down.degraded).toEqual(['database']);
    expect(fold(down, event('system.recovered', 2, { part: 'database' })).degraded).toEqual([]);
  });

  it('keeps what the person confirmed on a card that stays', () => {
    const acked = fold(offered(), callEvent('notice.acked', 2, 1, { id: 'n-3' }));
    const document = { call: 'c-1', rev: 2, state: 'taken', data: CARD };
    expect(fold(acked, event('snapshot', 2, { pops: [document] })).pops['c-1']?.ackedNotices).toEqual([
      'n-3',
    ]);
  });
});

describe('welcome', () => {
  it('of another person clears the screen first', () => {
    const state = fold(offered(), welcome({ agent: 'a103', streams: [] }));
    expect(state.pops).toEqual({});
    expect(state.agent).toBe('a103');
  });

  it('measures the difference of the clocks, and a ping corrects it', () => {
    const frame = welcome({ serverTime: new Date(T0 + 4_000).toISOString() });
    const state = fold(connected(), frame);
    expect(state.clockSkewMs).toBe(4_000);
    const data = { server_time: new Date(T0 - 1_000).toISOString() };
    expect(reduce(state, { type: 'frame', frame: { kind: 'ping', data }, now: T0 }).clockSkewMs).toBe(-1_000);
  });
});
