import { newUlid } from '../link/ulid';
import type { Json } from '../protocol/value';
import { INITIAL, type Pop, type State } from '../state/model';
import { browserHost } from './browser_host';
import { Hub } from './hub';
import type { FromHub, ToHub } from './messages';

export interface View {
  state: State;
  /** True in the one tab that may sound. */
  sounds: boolean;
}

/** The page's end of the hub: a store for React and the commands a person can give. */
export class DeskClient {
  readonly tab = `t-${newUlid().slice(-8)}`;
  private view: View = { state: INITIAL, sounds: false };
  private readonly listeners = new Set<() => void>();
  private started: string | null = null;
  private post: (message: ToHub) => void = () => undefined;
  onSignedOut: () => void = () => undefined;

  /** `useWorker` false keeps the socket in this page (diagnosis, and browsers without SharedWorker). */
  constructor(
    private readonly language: string,
    useWorker: boolean,
  ) {
    if (useWorker && typeof SharedWorker !== 'undefined') this.connectWorker();
    else this.connectLocal();
    this.watchPage();
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly getView = (): View => this.view;

  start(session: string): void {
    this.started = session;
    this.post({ type: 'start', session });
  }

  stop(): void {
    this.started = null;
    this.post({ type: 'stop' });
  }

  reconnect(): void {
    this.post({ type: 'reconnect' });
  }

  dismiss(id: string): void {
    this.post({ type: 'dismiss', id });
  }

  rendered(id: string): void {
    this.post({ type: 'rendered', id, visibility: document.visibilityState });
  }

  /** A command about a call; it carries the revision the person was looking at. */
  popCommand(command: string, pop: Pop, data: Json = {}): void {
    this.post({
      type: 'command',
      id: newUlid(),
      command,
      call: pop.call,
      rev: pop.rev,
      data: { tab: this.tab, ...data },
    });
  }

  command(command: string, data: Json): void {
    this.post({ type: 'command', id: newUlid(), command, data });
  }

  /** A command about a call that is nobody's card yet, and so has no revision. */
  callCommand(command: string, call: string): void {
    this.post({ type: 'command', id: newUlid(), command, call, data: { tab: this.tab } });
  }

  private received(message: FromHub): void {
    if (message.type === 'signed_out') {
      this.view = { state: INITIAL, sounds: false };
      this.onSignedOut();
    } else {
      this.view = { state: message.state, sounds: message.sounds };
    }
    for (const listener of this.listeners) listener();
  }

  private connectWorker(): void {
    const worker = new SharedWorker(new URL('./worker.ts', import.meta.url), {
      type: 'module',
      name: 'toritsugi',
    });
    // A worker that cannot load (policy, old browser) must not leave the agent without cards.
    worker.onerror = () => this.connectLocal();
    worker.port.onmessage = ({ data }: MessageEvent<FromHub>) => this.received(data);
    this.post = (message) => worker.port.postMessage(message);
    if (navigator.locks === undefined) return this.attach();
    // The worker learns from this lock when the tab dies without a word; so it is held before the tab
    // attaches.
    void navigator.locks.request(`toritsugi-tab-${this.tab}`, () => {
      this.attach();
      return new Promise<void>(() => undefined);
    });
  }

  private connectLocal(): void {
    const hub = new Hub(browserHost(window.location.origin));
    this.post = (message) => hub.handle(this, message, (answer) => this.received(answer));
    this.attach();
  }

  private attach(): void {
    this.post({
      type: 'attach',
      tab: this.tab,
      language: this.language,
      visible: document.visibilityState === 'visible',
    });
    if (this.started !== null) this.post({ type: 'start', session: this.started });
    if (document.hasFocus()) this.post({ type: 'focus' });
  }

  private watchPage(): void {
    document.addEventListener('visibilitychange', () => {
      const visible = document.visibilityState === 'visible';
      this.post({ type: 'visibility', visible });
      if (visible) this.post({ type: 'nudge' });
    });
    window.addEventListener('online', () => this.post({ type: 'nudge' }));
    window.addEventListener('focus', () => this.post({ type: 'focus' }));
    window.addEventListener('pageshow', ({ persisted }) => {
      if (persisted) this.attach();
    });
    window.addEventListener('pagehide', () => this.post({ type: 'bye' }));
  }
}
