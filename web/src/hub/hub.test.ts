import { beforeEach, describe, expect, it } from 'vitest';
import { FakeClock, FakeSocket } from '../link/fake';
import { Hub } from './hub';
import type { FromHub, ToHub } from './messages';

let clock: FakeClock;
let sockets: FakeSocket[];
let hub: Hub;
let holds: boolean;

class Tab {
  readonly got: FromHub[] = [];

  constructor(readonly name: string) {
    this.say({ type: 'attach', tab: name, language: 'ja', visible: true });
  }

  say(message: ToHub): void {
    hub.handle(this, message, (answer) => this.got.push(answer));
  }

  get last(): FromHub & { type: 'state' } {
    const states = this.got.filter((message) => message.type === 'state');
    const state = states.at(-1);
    if (state === undefined) throw new Error('no state');
    return state;
  }
}

/** Lets the hub post, which it does once per turn. */
const turn = () => Promise.resolve().then(() => undefined);

beforeEach(() => {
  clock = new FakeClock();
  sockets = [];
  holds = true;
  let id = 0;
  hub = new Hub({
    openSocket: () => {
      const socket = new FakeSocket();
      sockets.push(socket);
      return socket;
    },
    sessionHolds: () => Promise.resolve(holds),
    now: () => clock.now,
    random: () => 0,
    setTimer: clock.setTimer,
    clearTimer: clock.clearTimer,
    newId: () => `id-${(id += 1)}`,
  });
});

function socket(index = -1): FakeSocket {
  const found = sockets.at(index);
  if (found === undefined) throw new Error('no socket');
  return found;
}

function offer(seq: number, call = 'c-1'): void {
  socket().receive({
    kind: 'event',
    type: 'pop.offered',
    id: `e-${seq}`,
    stream: 'agent:a102',
    epoch: 'b7f3',
    seq,
    call,
    rev: 1,
    at: new Date(clock.now).toISOString(),
    ack: 'render',
    data: {},
  });
}

describe('two tabs', () => {
  it('have one socket and the same state', async () => {
    const [one, two] = [new Tab('t-1'), new Tab('t-2')];
    one.say({ type: 'start', session: 's' });
    two.say({ type: 'start', session: 's' });
    socket().welcome();
    offer(1);
    await turn();
    expect(sockets).toHaveLength(1);
    expect(one.last.state).toBe(two.last.state);
    expect(Object.keys(one.last.state.pops)).toEqual(['c-1']);
  });

  it('one of them sounds: the one last focused, or the other when that is gone', async () => {
    const [one, two] = [new Tab('t-1'), new Tab('t-2')];
    one.say({ type: 'start', session: 's' });
    socket().welcome();
    await turn();
    expect([one.last.sounds, two.last.sounds]).toEqual([true, false]);
    two.say({ type: 'focus' });
    await turn();
    expect([one.last.sounds, two.last.sounds]).toEqual([false, true]);
    two.say({ type: 'bye' });
    await turn();
    expect(one.last.sounds).toBe(true);
  });

  it('none of them sounds when the server named another socket, and a focus asks for the lead', async () => {
    const one = new Tab('t-1');
    one.say({ type: 'start', session: 's' });
    socket().welcome(0, false);
    await turn();
    expect(one.last.sounds).toBe(false);
    one.say({ type: 'focus' });
    expect(
      socket()
        .sentOf('command')
        .map((frame) => frame.type),
    ).toEqual(['lead.take']);
    socket().receive({ kind: 'event', type: 'lead.changed', data: { lead: true } });
    await turn();
    expect(one.last.sounds).toBe(true);
  });

  it('painted by both is reported once', () => {
    const [one, two] = [new Tab('t-1'), new Tab('t-2')];
    one.say({ type: 'start', session: 's' });
    socket().welcome();
    offer(1);
    one.say({ type: 'rendered', id: 'e-1', visibility: 'visible' });
    two.say({ type: 'rendered', id: 'e-1', visibility: 'visible' });
    const acks = socket().sentOf('ack');
    expect(acks).toHaveLength(1);
    expect(acks[0]).toMatchObject({ replies_to: ['e-1'], data: { stream: 'agent:a102', seq: 1 } });
  });

  it('are all signed out when one logs out, and keep nothing', async () => {
    const [one, two] = [new Tab('t-1'), new Tab('t-2')];
    one.say({ type: 'start', session: 's' });
    socket().welcome();
    offer(1);
    one.say({ type: 'stop' });
    await turn();
    expect(two.got.some((message) => message.type === 'signed_out')).toBe(true);
    expect(two.last.state.pops).toEqual({});
    expect(socket().closedWith).toBe(1000);
  });

  it('when the last one is gone the socket closes, and the next one resumes', () => {
    const one = new Tab('t-1');
    one.say({ type: 'start', session: 's' });
    socket().welcome();
    offer(1);
    one.say({ type: 'bye' });
    expect(socket().closedWith).toBe(1000);
    const two = new Tab('t-2');
    two.say({ type: 'start', session: 's' });
    socket().onopen?.();
    expect(socket().sent[0]).toMatchObject({
      data: { resume: [{ stream: 'agent:a102', epoch: 'b7f3', seq: 1 }] },
    });
  });
});

describe('acknowledgement', () => {
  it('of receipt is cumulative, every five seconds, and not repeated', () => {
    new Tab('t-1').say({ type: 'start', session: 's' });
    socket().welcome();
    clock.advance(5_000);
    const first = socket().sentOf('ack').length;
    offer(1);
    offer(2, 'c-2');
    clock.advance(5_000);
    const acks = socket().sentOf('ack').slice(first);
    expect(acks).toEqual([
      { v: 1, kind: 'ack', replies_to: [], data: { stream: 'agent:a102', epoch: 'b7f3', seq: 2 } },
    ]);
    clock.advance(5_000);
    expect(socket().sentOf('ack')).toHaveLength(first + 1);
  });

  it('of receipt comes after twenty events without waiting', () => {
    new Tab('t-1').say({ type: 'start', session: 's' });
    socket().welcome();
    for (let seq = 1; seq <= 20; seq += 1) offer(seq, `c-${seq}`);
    expect(socket().sentOf('ack').at(-1)).toMatchObject({ data: { seq: expect.any(Number) as number } });
  });
});

describe('session', () => {
  it('is renewed when the server says that it ends', () => {
    new Tab('t-1').say({ type: 'start', session: 's' });
    socket().welcome();
    socket().receive({ kind: 'event', type: 'auth.expiring', id: 'x-1', data: {} });
    expect(
      socket()
        .sentOf('command')
        .map((frame) => frame.type),
    ).toEqual(['auth.renew']);
  });
});

describe('loss', () => {
  it('of a frame takes a new socket and resumes from the last sure one', () => {
    new Tab('t-1').say({ type: 'start', session: 's' });
    socket().welcome();
    offer(1);
    offer(3, 'c-3');
    clock.advance(0);
    expect(sockets).toHaveLength(2);
    socket().onopen?.();
    expect(socket().sent[0]).toMatchObject({ data: { resume: [{ seq: 1 }] } });
  });

  it('repeats an unanswered command with the same id, and only that', () => {
    const tab = new Tab('t-1');
    tab.say({ type: 'start', session: 's' });
    socket().welcome();
    tab.say({ type: 'command', id: '01A', command: 'pop.take', call: 'c-1', rev: 1, data: {} });
    tab.say({ type: 'command', id: '01B', command: 'notice.ack', call: 'c-1', rev: 1, data: {} });
    socket().receive({ kind: 'reply', replies_to: '01B', ok: true });
    socket().onclose?.({ code: 1006, reason: '' });
    clock.advance(0);
    socket().welcome(0, true, true);
    expect(
      socket()
        .sentOf('command')
        .map((frame) => frame.id),
    ).toEqual(['01A']);
  });

  it('refuses a command at once when there is no connection', async () => {
    const tab = new Tab('t-1');
    tab.say({ type: 'command', id: '01A', command: 'pop.take', call: 'c-1', rev: 1, data: {} });
    await turn();
    expect(tab.last.state.messages.map((message) => message.code)).toEqual(['unavailable']);
  });

  it('with the session over ends in the log-in; with the server away it does not', async () => {
    const tab = new Tab('t-1');
    tab.say({ type: 'start', session: 's' });
    socket().onclose?.({ code: 1006, reason: '' });
    await turn();
    expect(tab.got.some((message) => message.type === 'signed_out')).toBe(false);
    holds = false;
    clock.advance(1_000);
    socket().onclose?.({ code: 1006, reason: '' });
    await turn();
    await turn();
    expect(tab.got.some((message) => message.type === 'signed_out')).toBe(true);
  });

  it('by close 4401 is a log-out', async () => {
    const tab = new Tab('t-1');
    tab.say({ type: 'start', session: 's' });
    socket().welcome();
    socket().onclose?.({ code: 4401, reason: '' });
    await turn();
    expect(tab.got.some((message) => message.type === 'signed_out')).toBe(true);
  });
});
