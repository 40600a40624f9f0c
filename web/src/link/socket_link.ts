import { type ServerFrame, parseFrame, pongFrame } from '../protocol/frames';
import type { LinkPhase } from '../state/model';
import { afterClose, backoffMs } from './backoff';

/** The part of a WebSocket the link uses; tests give their own. */
export interface SocketLike {
  send(text: string): void;
  close(code?: number): void;
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
}

export interface LinkHost {
  openSocket(): SocketLike;
  /** The text of `hello` for the present state. */
  hello(): string;
  onFrame(frame: ServerFrame): void;
  onPhase(phase: LinkPhase, closeCode: number | null): void;
  /**
   * The upgrade itself failed; a browser does not say why, so the host may look whether the session still
   * holds.
   */
  onUpgradeFailed(): void;
  now(): number;
  random(): number;
  setTimer(run: () => void, ms: number): number;
  clearTimer(timer: number): void;
}

/** No frame for so long means the connection is dead, whatever TCP thinks. */
const SILENCE_MS = 35_000;
/** From opening the socket to the welcome. */
const WELCOME_MS = 10_000;
/** A connection that held so long starts the backoff anew. */
const STABLE_MS = 5_000;

/** Keeps one socket open: connects, answers pings, notices silence, comes back. Folds nothing itself. */
export class SocketLink {
  private socket: SocketLike | null = null;
  private attempt = 0;
  private welcomedAt: number | null = null;
  private opened = false;
  private watchdog: number | null = null;
  private retry: number | null = null;
  private running = false;
  private heldMs: number | null = null;

  constructor(private readonly host: LinkHost) {}

  start(): void {
    if (this.running) return;
    this.running = true;
    this.attempt = 0;
    this.connect();
  }

  stop(): void {
    this.running = false;
    this.dropSocket(1000);
    this.clearRetry();
    this.host.onPhase('off', null);
  }

  /** The page became visible, the network came back: do not sit out the backoff. */
  nudge(): void {
    if (!this.running || this.retry === null) return;
    this.clearRetry();
    this.connect();
  }

  /** A frame is missing: take a new socket and resume from where we are sure. */
  restart(): void {
    if (!this.running) return;
    this.dropSocket(1000);
    this.scheduleRetry(null, 0);
  }

  /** False when there is no socket to write to. */
  send(text: string): boolean {
    if (this.socket === null || this.welcomedAt === null) return false;
    this.socket.send(text);
    return true;
  }

  private connect(): void {
    this.host.onPhase('connecting', null);
    this.opened = false;
    this.welcomedAt = null;
    const socket = this.host.openSocket();
    this.socket = socket;
    socket.onopen = () => {
      this.opened = true;
      socket.send(this.host.hello());
    };
    socket.onmessage = ({ data }) => {
      if (this.socket === socket && typeof data === 'string') this.received(data);
    };
    socket.onclose = ({ code, reason }) => {
      if (this.socket === socket) this.closed(code, reason);
    };
    this.watch(WELCOME_MS);
  }

  private received(text: string): void {
    if (this.welcomedAt !== null) this.watch(SILENCE_MS);
    const frame = parseFrame(text);
    if (frame === null) return;
    if (frame.kind === 'ping') this.socket?.send(pongFrame(frame));
    if (frame.kind === 'welcome') {
      this.welcomedAt = this.host.now();
      this.watch(SILENCE_MS);
    }
    this.host.onFrame(frame);
  }

  private closed(code: number, reason: string): void {
    const upgradeFailed = !this.opened;
    this.dropSocket(null);
    if (!this.running) return;
    const after = afterClose(code, reason);
    if (after.then === 'stop') {
      this.running = false;
      this.host.onPhase('refused', code);
      return;
    }
    this.scheduleRetry(code, after.minimumMs);
    if (upgradeFailed) this.host.onUpgradeFailed();
  }

  private scheduleRetry(code: number | null, minimumMs: number): void {
    const held = this.heldMs;
    if (held !== null && held >= STABLE_MS) this.attempt = 0;
    const wait = Math.max(minimumMs, backoffMs(this.attempt, this.host.random()));
    this.attempt += 1;
    this.host.onPhase('waiting', code);
    this.retry = this.host.setTimer(() => {
      this.retry = null;
      this.connect();
    }, wait);
  }

  private dropSocket(closeCode: number | null): void {
    this.heldMs = this.welcomedAt === null ? null : this.host.now() - this.welcomedAt;
    this.welcomedAt = null;
    if (this.watchdog !== null) this.host.clearTimer(this.watchdog);
    this.watchdog = null;
    const socket = this.socket;
    this.socket = null;
    if (socket !== null && closeCode !== null) socket.close(closeCode);
  }

  private clearRetry(): void {
    if (this.retry !== null) this.host.clearTimer(this.retry);
    this.retry = null;
  }

  private watch(ms: number): void {
    if (this.watchdog !== null) this.host.clearTimer(this.watchdog);
    this.watchdog = this.host.setTimer(() => {
      this.watchdog = null;
      this.restart();
    }, ms);
  }
}
