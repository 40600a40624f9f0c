import { describe, expect, it } from 'vitest';
import { CARD, T0, callEvent, connected, event, fold, offered } from './fixture';
import type { State } from './model';
import { rings } from './selectors';

function card(state: State) {
  const pop = state.pops['c-1'];
  if (pop === undefined) throw new Error('no card');
  return pop;
}

describe('offer', () => {
  it('opens a card that asks to be reported as painted', () => {
    const frame = callEvent('pop.offered', 1, 1, CARD, { ack: 'render', expires: '2026-11-22T04:41:38Z' });
    const pop = card(fold(connected(), frame));
    expect(pop.phase).toBe('offered');
    expect(pop.renderAck).toEqual({ id: frame.id, stream: frame.stream, seq: 1 });
    expect(pop.data.match.customer?.name).toBe('山田 花子');
  });

  it('past its expiry opens nothing', () => {
    const frame = callEvent('pop.offered', 1, 1, CARD, { expires: '2026-11-22T04:41:07Z' });
    expect(fold(connected(), frame).pops).toEqual({});
  });

  it('rings until it expires, by the server clock, and only while connected', () => {
    const state = offered({ expires: '2026-11-22T04:41:38Z' });
    expect(rings(state, card(state), T0)).toBe(true);
    expect(rings({ ...state, clockSkewMs: 60_000 }, card(state), T0)).toBe(false);
    expect(rings(state, card(state), T0 + 30_000)).toBe(false);
    const lost: State = { ...state, link: { phase: 'waiting', lostAt: T0, closeCode: 1006 } };
    expect(rings(lost, card(lost), T0)).toBe(false);
  });

  it('of a call that ended here does not come back with an old revision, but does with a new one', () => {
    const ended = fold(offered(), callEvent('pop.withdrawn', 2, 4, { cause: 'rerouted' }));
    expect(fold(ended, callEvent('pop.offered', 3, 2, CARD)).pops).toEqual({});
    expect(fold(ended, callEvent('pop.offered', 3, 5, CARD)).pops['c-1']?.rev).toBe(5);
  });
});

describe('revision', () => {
  it('replaces whole members and leaves the others', () => {
    const contacts = [{ at: '2026-11-22T01:00:00Z', by: '林', summary: '新しい' }];
    const pop = card(fold(offered(), callEvent('pop.enriched', 2, 2, { contacts, sources: { crm: 'ok' } })));
    expect(pop.rev).toBe(2);
    expect(pop.data.contacts).toHaveLength(1);
    expect(pop.data.contacts[0]?.by).toBe('林');
    expect(pop.data.sources).toEqual({ crm: 'ok' });
    expect(pop.data.match.customer?.id).toBe('cu-88');
  });

  it('drops a document that is not newer than the one shown', () => {
    const state = fold(offered(), callEvent('pop.enriched', 2, 3, { flags: [{ code: 'vip' }] }));
    const late = fold(
      state,
      callEvent('pop.enriched', 3, 3, { flags: [] }),
      callEvent('pop.updated', 4, 2, { flags: [] }),
    );
    expect(card(late).data.flags).toHaveLength(1);
    expect(card(late).rev).toBe(3);
  });

  it('takes the document that follows a step of the same revision', () => {
    const chosen = fold(offered(), callEvent('match.chosen', 2, 2, { customer: 'cu-88' }));
    const updated = fold(chosen, callEvent('pop.updated', 3, 2, { flags: [{ code: 'vip' }] }));
    expect(card(updated)).toMatchObject({ rev: 2, documentRev: 2 });
    expect(card(updated).data.flags).toHaveLength(1);
  });

  it('knows from the document that a notice was confirmed before', () => {
    const notices = [{ id: 'n-3', level: 'danger', text: 'x', ack: 'done' }];
    expect(card(fold(offered(), callEvent('pop.updated', 2, 2, { notices }))).ackedNotices).toEqual(['n-3']);
  });

  it('does not forget a confirmed notice when the notices are replaced', () => {
    const acked = fold(offered(), callEvent('notice.acked', 2, 1, { id: 'n-3', by: 'a102' }));
    const more = fold(
      acked,
      callEvent('pop.enriched', 3, 2, { notices: [{ id: 'n-3', level: 'danger', text: 'x' }] }),
    );
    expect(card(more).ackedNotices).toEqual(['n-3']);
  });
});

describe('course of a call', () => {
  it('is taken, answered, ended, written up, closed', () => {
    const taken = fold(offered(), callEvent('pop.taken', 2, 2, { by: 'a102' }));
    expect(card(taken).phase).toBe('taken');
    expect(card(taken).answeredAt).toBeNull();
    const talking = fold(taken, callEvent('call.answered', 3, 2));
    expect(card(talking).answeredAt).toBe(T0);
    const until = '2026-11-22T04:45:00Z';
    const writing = fold(
      talking,
      callEvent('call.ended', 4, 2),
      callEvent('wrapup.started', 5, 3, { until }),
    );
    expect(card(writing)).toMatchObject({ phase: 'wrapup', callEnded: true, wrapupUntil: Date.parse(until) });
    const done = fold(writing, callEvent('wrapup.done', 6, 3), callEvent('pop.closed', 7, 4));
    expect(done.pops).toEqual({});
    expect(done.ended).toHaveLength(1);
    expect(done.missed).toEqual([]);
  });

  it('taken by somebody else leaves the screen and says so', () => {
    const state = fold(offered(), callEvent('pop.taken', 2, 2, { by: 'a117' }));
    expect(state.pops).toEqual({});
    expect(state.ended[0]).toMatchObject({ cause: 'answered_elsewhere', by: 'a117', wasOffered: true });
  });

  it('claimed by somebody else is shown as looked at and does not ring', () => {
    const state = fold(offered(), callEvent('pop.claimed', 2, 2, { by: 'a117' }));
    expect(card(state)).toMatchObject({ phase: 'offered', claimedBy: 'a117' });
    expect(rings(state, card(state), T0)).toBe(false);
  });

  it('withdrawn and then missed is one row of the list, with the name the card had', () => {
    const state = fold(
      offered(),
      callEvent('pop.withdrawn', 2, 2, { cause: 'caller_gave_up' }),
      callEvent('pop.missed', 3, 3),
    );
    expect(state.pops).toEqual({});
    expect(state.ended).toHaveLength(1);
    expect(state.ended[0]?.cause).toBe('caller_gave_up');
    expect(state.missed).toHaveLength(1);
    expect(state.missed[0]).toMatchObject({ clientName: '青葉製作所', customer: { name: '山田 花子' } });
  });

  it('missed alone, as replay folds it, is told from its own data', () => {
    const data = { caller: { presentation: 'withheld' } };
    const state = fold(connected(), callEvent('pop.missed', 1, 3, data));
    expect(state.missed[0]?.caller?.presentation).toBe('withheld');
  });

  it('chooses one of several, by id or as a whole', () => {
    const several = {
      ...CARD,
      match: { level: 'several', customer: null, candidates: [{ id: 'cu-2', name: '林' }] },
    };
    const before = fold(connected(), callEvent('pop.offered', 1, 1, several));
    expect(
      card(fold(before, callEvent('match.chosen', 2, 2, { customer: 'cu-2' }))).data.match.customer?.name,
    ).toBe('林');
    const whole = fold(before, callEvent('match.chosen', 2, 2, { customer: { id: 'cu-9', name: '森' } }));
    expect(card(whole).data.match).toMatchObject({ level: 'known', customer: { name: '森' } });
  });
});

describe('presence', () => {
  it('of oneself goes to the bar, of others to the list', () => {
    const mine = event('presence.changed', 1, {
      agent: 'a102',
      status: 'away',
      reason: 'meeting',
      state: 'idle',
    });
    const other = event('presence.changed', 2, { agent: 'a055', status: 'available', state: 'on_call' });
    const state = fold(connected(), mine, other);
    expect(state.presence).toMatchObject({ status: 'away', reason: 'meeting' });
    expect(state.colleagues.a055?.state).toBe('on_call');
  });
});

describe('any order of events', () => {
  const TYPES = [
    'pop.offered',
    'pop.enriched',
    'pop.claimed',
    'pop.taken',
    'call.answered',
    'notice.acked',
    'call.ended',
    'wrapup.started',
    'pop.withdrawn',
    'pop.missed',
    'pop.closed',
    'ring.sla',
    'match.chosen',
  ];

  it('never lowers a revision, never shows an ended call again, never lists a missed call twice', () => {
    let seed = 20261122;
    const random = (below: number) => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return seed % below;
    };
    for (let round = 0; round < 200; round += 1) {
      let state = connected();
      for (let seq = 1; seq <= 20; seq += 1) {
        const type = TYPES[random(TYPES.length)] ?? 'pop.offered';
        const before = state.pops['c-1'];
        const frame = callEvent(
          type,
          seq,
          1 + random(6),
          type === 'pop.offered' ? CARD : { by: 'a102', id: 'n-3' },
        );
        state = fold(state, frame);
        const after = state.pops['c-1'];
        if (before && after) expect(after.rev).toBeGreaterThanOrEqual(before.rev);
        const lastEnd = state.ended.at(-1);
        if (after && lastEnd) expect(after.rev).toBeGreaterThan(lastEnd.rev);
        expect(state.missed.length).toBeLessThanOrEqual(1);
      }
      expect(state.gap).toBe(false);
    }
  });
});
