// Frames for tests, as short as a test can read them.
import type { EventFrame, WelcomeFrame } from '../protocol/frames';
import type { Json } from '../protocol/value';
import { INITIAL, type State } from './model';
import { reduce } from './reducer';

export const T0 = Date.parse('2026-11-22T04:41:08.000Z');
export const STREAM = 'agent:a102';

export function welcome(over: Partial<WelcomeFrame> = {}, resumed = false, seq = 0): WelcomeFrame {
  return {
    kind: 'welcome',
    agent: 'a102',
    roles: ['agent'],
    serverTime: new Date(T0).toISOString(),
    lead: true,
    streams: [{ stream: STREAM, epoch: 'b7f3', seq, resumed }],
    ...over,
  };
}

let nextId = 0;

export function event(
  type: string,
  seq: number | null,
  data: Json = {},
  over: Partial<EventFrame> = {},
): EventFrame {
  nextId += 1;
  return {
    kind: 'event',
    type,
    id: `e-${nextId}`,
    stream: STREAM,
    epoch: 'b7f3',
    seq,
    at: new Date(T0).toISOString(),
    call: null,
    rev: null,
    expires: null,
    ack: 'none',
    replay: false,
    data,
    ...over,
  };
}

/** An event about call `c-1`. */
export function callEvent(
  type: string,
  seq: number,
  rev: number | null,
  data: Json = {},
  over: Partial<EventFrame> = {},
): EventFrame {
  return event(type, seq, data, { call: 'c-1', rev, ...over });
}

export function fold(state: State, ...frames: (EventFrame | WelcomeFrame)[]): State {
  return frames.reduce((before, frame) => reduce(before, { type: 'frame', frame, now: T0 }), state);
}

/** Connected and caught up at seq 0, nothing on the screen. */
export function connected(): State {
  const linked = reduce(INITIAL, { type: 'link', phase: 'connecting', closeCode: null, now: T0 });
  return fold(linked, welcome(), event('snapshot', 0, { pops: [] }), event('sync.done', 0));
}

export const CARD: Json = {
  caller: { presentation: 'number', e164: '+81312345678', national: '03-1234-5678' },
  dialled: { number: '0120-123-456', client_name: '青葉製作所' },
  match: { level: 'known', count: 1, customer: { id: 'cu-88', name: '山田 花子' }, candidates: [] },
  notices: [{ id: 'n-3', level: 'danger', text: '断定回答しない' }],
  contacts: [{ at: '2026-11-20T05:12:00Z', by: '佐藤', summary: '修理日程の相談' }],
  actions: ['take', 'decline'],
};

/** Connected, with the card of call `c-1` at rev 1 offered as seq 1. */
export function offered(over: Partial<EventFrame> = {}): State {
  return fold(connected(), callEvent('pop.offered', 1, 1, CARD, over));
}
