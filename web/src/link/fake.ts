// A clock and sockets that tests drive by hand.
import type { SocketLike } from './socket_link';

export class FakeClock {
  now = Date.parse('2026-11-22T04:41:08.000Z');
  private timers: { at: number; run: () => void; id: number }[] = [];
  private lastId = 0;

  readonly setTimer = (run: () => void, ms: number): number => {
    this.lastId += 1;
    this.timers.push({ at: this.now + ms, run, id: this.lastId });
    return this.lastId;
  };

  readonly clearTimer = (id: number): void => {
    this.timers = this.timers.filter((timer) => timer.id !== id);
  };

  /** Moves time on and runs what falls due, in order. */
  advance(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const next = this.timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.now = Math.max(this.now, next.at);
      this.clearTimer(next.id);
      next.run();
    }
    this.now = end;
  }
}

export class FakeSocket implements SocketLike {
  readonly sent: Record<string, unknown>[] = [];
  closedWith: number | undefined | null = null;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }

  close(code?: number): void {
    this.closedWith = code;
  }

  receive(frame: Record<string, unknown>): void {
    this.onmessage?.({ data: JSON.stringify({ v: 1, ...frame }) });
  }

  /** Opens and is welcomed, with one live stream at `seq`. */
  welcome(seq = 0, lead = true, resumed = false): void {
    this.onopen?.();
    const stream = { stream: 'agent:a102', epoch: 'b7f3', seq };
    this.receive({
      kind: 'welcome',
      data: { agent: 'a102', roles: ['agent'], lead, streams: [{ ...stream, resumed }] },
    });
    if (!resumed) this.receive({ kind: 'event', type: 'snapshot', ...stream, data: { pops: [] } });
    this.receive({ kind: 'event', type: 'sync.done', ...stream, data: {} });
  }

  sentOf(kind: string): Record<string, unknown>[] {
    return this.sent.filter((frame) => frame.kind === kind);
  }
}
