import { type SocketLike, SocketLink } from '../link/socket_link';
import {
  type Command,
  type ServerFrame,
  commandFrame,
  helloFrame,
  renderAckFrame,
  seqAckFrame,
} from '../protocol/frames';
import { INITIAL, type State } from '../state/model';
import { type Action, reduce } from '../state/reducer';
import { resumePositions } from '../state/streams';
import type { FromHub, ToHub } from './messages';

export interface HubHost {
  openSocket(): SocketLike;
  /** False only when the server says that the session is over. */
  sessionHolds(): Promise<boolean>;
  now(): number;
  random(): number;
  setTimer(run: () => void, ms: number): number;
  clearTimer(timer: number): void;
  newId(): string;
}

interface Tab {
  post(message: FromHub): void;
  name: string;
  visible: boolean;
}

const TICK_MS = 1_000;
/** "Received" is acknowledged every 5 s or 20 events, whichever comes first. */
const ACK_TICKS = 5;
const ACK_EVENTS = 20;

/**
 * One socket and one state for all tabs of this browser; lives in a SharedWorker, or in the page without one.
 */
export class Hub {
  private state: State = INITIAL;
  private readonly tabs = new Map<object, Tab>();
  private leadTab: object | null = null;
  private session: string | null = null;
  private language = 'ja';
  private readonly link: SocketLink;
  private readonly acked = new Map<string, number>();
  private unacked = 0;
  private ticks = 0;
  private posting = false;

  constructor(private readonly host: HubHost) {
    this.link = new SocketLink({
      openSocket: () => host.openSocket(),
      now: () => host.now(),
      random: () => host.random(),
      setTimer: (run, ms) => host.setTimer(run, ms),
      clearTimer: (timer) => host.clearTimer(timer),
      hello: () => this.hello(),
      onFrame: (frame) => this.received(frame),
      onPhase: (phase, closeCode) => {
        this.dispatch({ type: 'link', phase, closeCode, now: host.now() });
        if (phase === 'refused' && closeCode === 4401) this.signOut();
      },
      onUpgradeFailed: () => void this.checkSession(),
    });
    this.scheduleTick();
  }

  /** One message from the tab known by `key`; `post` answers it. */
  handle(key: object, message: ToHub, post: (message: FromHub) => void): void {
    switch (message.type) {
      case 'attach':
        this.tabs.set(key, { post, name: message.tab, visible: message.visible });
        this.language = message.language;
        this.leadTab ??= key;
        return this.publish();
      case 'start':
        return this.start(message.session);
      case 'command':
        return this.command(message);
      case 'rendered':
        return this.rendered(message.id, message.visibility);
      case 'visibility': {
        const tab = this.tabs.get(key);
        if (tab !== undefined) tab.visible = message.visible;
        return;
      }
      case 'focus':
        return this.focus(key);
      case 'nudge':
        return this.link.nudge();
      case 'reconnect':
        return this.link.start();
      case 'dismiss':
        return this.dispatch({ type: 'dismiss', id: message.id });
      case 'stop':
        return this.signOut();
      case 'bye':
        return this.detach(key);
    }
  }

  /** The tab is gone; if it was the one that sounds, another takes over. */
  detach(key: object): void {
    this.tabs.delete(key);
    if (this.leadTab !== key) return;
    const visible = [...this.tabs].find(([, tab]) => tab.visible)?.[0];
    this.leadTab = visible ?? [...this.tabs.keys()][0] ?? null;
    // Without any tab there is nobody to show a card to; the agent must not look reachable.
    if (this.tabs.size === 0) this.link.stop();
    this.publish();
  }

  private start(session: string): void {
    if (this.session !== session) {
      if (this.session !== null) this.link.stop();
      this.acked.clear();
      this.dispatch({ type: 'reset' });
      this.session = session;
    }
    this.link.start();
  }

  private signOut(): void {
    if (this.session === null) return;
    this.session = null;
    this.link.stop();
    this.acked.clear();
    this.dispatch({ type: 'reset' });
    for (const tab of this.tabs.values()) tab.post({ type: 'signed_out' });
  }

  private async checkSession(): Promise<void> {
    const session = this.session;
    const holds = await this.host.sessionHolds();
    if (!holds && this.session === session) this.signOut();
  }

  private hello(): string {
    const lead = this.leadTab === null ? undefined : this.tabs.get(this.leadTab);
    const visible = [...this.tabs.values()].some((tab) => tab.visible);
    return helloFrame({
      tab: lead?.name ?? 't-0',
      language: this.language,
      visibility: visible ? 'visible' : 'hidden',
      resume: resumePositions(this.state.streams),
    });
  }

  private received(frame: ServerFrame): void {
    this.dispatch({ type: 'frame', frame, now: this.host.now() });
    if (frame.kind === 'welcome') this.repeatPending();
    if (frame.kind === 'event' && frame.type === 'auth.expiring') this.renew();
    if (frame.kind === 'event' && frame.seq !== null) {
      this.unacked += 1;
      if (this.unacked >= ACK_EVENTS) this.acknowledge();
    }
    if (this.state.gap) this.link.restart();
  }

  private command(message: ToHub & { type: 'command' }): void {
    const now = this.host.now();
    const command: Command = { type: message.command, id: message.id, data: message.data };
    if (message.call !== undefined) command.call = message.call;
    if (message.rev !== undefined) command.rev = message.rev;
    if (this.link.send(commandFrame(command))) this.dispatch({ type: 'sent', command, now });
    else this.dispatch({ type: 'refused', command, code: 'unavailable', now });
  }

  /** A desk is open for a whole shift: while a tab is there, the session goes on. */
  private renew(): void {
    this.link.send(commandFrame({ type: 'auth.renew', id: this.host.newId(), data: {} }));
  }

  /**
   * The same id again has no second effect, so what was not answered before the loss is simply said again.
   */
  private repeatPending(): void {
    for (const { command } of Object.values(this.state.pending)) this.link.send(commandFrame(command));
  }

  private rendered(id: string, visibility: string): void {
    const shown = Object.values(this.state.pops).find((pop) => pop.renderAck?.id === id)?.renderAck;
    const { presence, lastRender } = this.state;
    const stale = presence?.overlays.some((overlay) => overlay.kind === 'client_stale') ?? false;
    // The card may be gone; its late word ends `client_stale`.
    const ack = shown ?? (stale && lastRender?.id === id ? lastRender : undefined);
    if (!ack) return;
    const at = new Date(this.host.now() + this.state.clockSkewMs).toISOString();
    if (this.link.send(renderAckFrame(ack, at, visibility))) this.dispatch({ type: 'rendered', id });
  }

  private focus(key: object): void {
    if (!this.tabs.has(key)) return;
    const moved = this.leadTab !== key;
    this.leadTab = key;
    if (!this.state.lead && this.state.link.phase === 'open') {
      this.link.send(commandFrame({ type: 'lead.take', id: this.host.newId(), data: {} }));
    }
    if (moved) this.publish();
  }

  private acknowledge(): void {
    this.unacked = 0;
    for (const position of resumePositions(this.state.streams)) {
      const key = `${position.stream} ${position.epoch}`;
      if (this.acked.get(key) === position.seq) continue;
      if (this.link.send(seqAckFrame(position))) this.acked.set(key, position.seq);
    }
  }

  private scheduleTick(): void {
    this.host.setTimer(() => {
      this.ticks += 1;
      if (this.ticks % ACK_TICKS === 0) this.acknowledge();
      this.dispatch({ type: 'tick', now: this.host.now() });
      this.scheduleTick();
    }, TICK_MS);
  }

  private dispatch(action: Action): void {
    const next = reduce(this.state, action);
    if (next === this.state) return;
    this.state = next;
    this.publish();
  }

  /** Posts once per turn, however many frames the turn brought. */
  private publish(): void {
    if (this.posting) return;
    this.posting = true;
    queueMicrotask(() => {
      this.posting = false;
      for (const [key, tab] of this.tabs) {
        tab.post({ type: 'state', state: this.state, sounds: this.state.lead && key === this.leadTab });
      }
    });
  }
}
