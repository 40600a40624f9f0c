import { beforeEach, describe, expect, it } from 'vitest';
import type { LinkPhase } from '../state/model';
import { CAP_MS, afterClose, backoffMs } from './backoff';
import { FakeClock, FakeSocket } from './fake';
import { SocketLink } from './socket_link';
import { ulid } from './ulid';

let clock: FakeClock;
let sockets: FakeSocket[];
let phases: [LinkPhase, number | null][];
let failedUpgrades: number;
let link: SocketLink;

beforeEach(() => {
  clock = new FakeClock();
  sockets = [];
  phases = [];
  failedUpgrades = 0;
  link = new SocketLink({
    openSocket: () => {
      const socket = new FakeSocket();
      sockets.push(socket);
      return socket;
    },
    hello: () => '{"kind":"hello"}',
    onFrame: () => undefined,
    onPhase: (phase, code) => phases.push([phase, code]),
    onUpgradeFailed: () => {
      failedUpgrades += 1;
    },
    now: () => clock.now,
    random: () => 0.999,
    setTimer: clock.setTimer,
    clearTimer: clock.clearTimer,
  });
});

function socket(index: number): FakeSocket {
  const found = sockets.at(index);
  if (found === undefined) throw new Error(`no socket ${index}`);
  return found;
}

describe('backoff', () => {
  it('is at once, then half a second doubled with full jitter, at most 15 s', () => {
    expect([0, 1, 2, 3, 4, 5, 6, 9].map((attempt) => backoffMs(attempt, 0.99999))).toEqual([
      0, 499, 999, 1999, 3999, 7999, 14999, 14999,
    ]);
    expect(backoffMs(7, 0)).toBe(0);
    expect(backoffMs(50, 0.5)).toBe(CAP_MS / 2);
  });

  it.each([
    [4401, 'signed_out'],
    [4403, 'forbidden'],
    [4406, 'version'],
    [4409, 'superseded'],
  ])('close %i stops: %s', (code, why) => {
    expect(afterClose(code, '')).toEqual({ then: 'stop', why });
  });

  it.each([1000, 1006, 4400, 4408, 4410, 4413, 4508])('close %i comes back', (code) => {
    expect(afterClose(code, '')).toEqual({ then: 'retry', minimumMs: 0 });
  });

  it('a drain waits as long as it was told, within reason', () => {
    expect(afterClose(4512, '{"retry_ms":2500}')).toEqual({ then: 'retry', minimumMs: 2500 });
    expect(afterClose(4512, '{"retry_ms":9999999}')).toEqual({ then: 'retry', minimumMs: CAP_MS });
    expect(afterClose(4512, 'soon')).toEqual({ then: 'retry', minimumMs: 1000 });
  });
});

describe('link', () => {
  it('says hello first and answers a ping at once with its data', () => {
    link.start();
    socket(0).welcome();
    expect(socket(0).sent[0]).toEqual({ kind: 'hello' });
    socket(0).receive({ kind: 'ping', data: { n: 7 } });
    expect(socket(0).sentOf('pong')).toEqual([{ v: 1, kind: 'pong', data: { n: 7 } }]);
  });

  it('sends nothing before the welcome', () => {
    link.start();
    socket(0).onopen?.();
    expect(link.send('{}')).toBe(false);
  });

  it('comes back at once after a loss, then ever later', () => {
    link.start();
    socket(0).welcome();
    socket(0).onclose?.({ code: 1006, reason: '' });
    clock.advance(0);
    expect(sockets).toHaveLength(2);
    socket(1).onclose?.({ code: 1006, reason: '' });
    clock.advance(498);
    expect(sockets).toHaveLength(2);
    clock.advance(1);
    expect(sockets).toHaveLength(3);
    expect(failedUpgrades).toBe(1);
  });

  it('starts the backoff anew after a connection that held', () => {
    link.start();
    for (let n = 0; n < 4; n += 1) {
      socket(-1).onclose?.({ code: 1006, reason: '' });
      clock.advance(15_000);
    }
    socket(-1).welcome();
    clock.advance(5_000);
    const before = sockets.length;
    socket(-1).onclose?.({ code: 1006, reason: '' });
    clock.advance(0);
    expect(sockets).toHaveLength(before + 1);
  });

  it('takes 35 s of silence for a loss, and any frame for life', () => {
    link.start();
    socket(0).welcome();
    clock.advance(34_000);
    socket(0).receive({ kind: 'ping', data: {} });
    clock.advance(34_999);
    expect(sockets).toHaveLength(1);
    clock.advance(1);
    expect(socket(0).closedWith).toBe(1000);
    clock.advance(0);
    expect(sockets).toHaveLength(2);
  });

  it('gives up a socket that is never welcomed', () => {
    link.start();
    socket(0).onopen?.();
    clock.advance(10_000);
    expect(sockets).toHaveLength(2);
  });

  it('does not sit out the backoff when the page becomes visible', () => {
    link.start();
    for (let n = 0; n < 5; n += 1) {
      socket(-1).onclose?.({ code: 1006, reason: '' });
      if (n < 4) clock.advance(15_000);
    }
    const before = sockets.length;
    link.nudge();
    expect(sockets).toHaveLength(before + 1);
    link.nudge();
    expect(sockets).toHaveLength(before + 1);
  });

  it('does not come back when superseded, until a person asks', () => {
    link.start();
    socket(0).welcome();
    socket(0).onclose?.({ code: 4409, reason: '' });
    clock.advance(60_000);
    expect(sockets).toHaveLength(1);
    expect(phases.at(-1)).toEqual(['refused', 4409]);
    link.start();
    expect(sockets).toHaveLength(2);
  });

  it('ignores what a socket says that is no longer ours', () => {
    link.start();
    socket(0).welcome();
    link.restart();
    clock.advance(0);
    socket(0).receive({ kind: 'ping', data: {} });
    socket(0).onclose?.({ code: 1000, reason: '' });
    expect(socket(0).sentOf('pong')).toEqual([]);
    expect(sockets).toHaveLength(2);
  });

  it('stops for good', () => {
    link.start();
    socket(0).welcome();
    link.stop();
    clock.advance(120_000);
    expect(sockets).toHaveLength(1);
    expect(phases.at(-1)).toEqual(['off', null]);
  });
});

describe('ulid', () => {
  it('is 26 characters that sort by time', () => {
    const zero = new Uint8Array(16);
    expect(ulid(1469922850259, zero)).toBe('01ARZ3NDEK0000000000000000');
    expect(ulid(1, zero) < ulid(2, zero)).toBe(true);
    expect(ulid(Date.now(), crypto.getRandomValues(new Uint8Array(16)))).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
  });
});
