// What the tests use of the mock.
export interface MockFrame {
  type: string;
  id: string;
  call?: string;
  rev?: number;
  replies_to: string[];
  data: Record<string, unknown>;
}

export interface MockDesk {
  commands: MockFrame[];
  acks: MockFrame[];
  hellos: { tab: string; resume: { stream: string; epoch: string; seq: number }[] }[];
  sockets: unknown[];
  pops: Map<string, { call: string; rev: number; data: Record<string, unknown> }>;
  presence: Record<string, unknown>;
  epoch: string;
  seq: number;
  offer(card: object, options?: { call?: string; expiresMs?: number }): string;
  emit(type: string, extra?: object): MockFrame;
  parked: Map<string, Record<string, unknown>>;
  park(parked: object, options?: { call?: string; waitedS?: number; limitS?: number }): string;
  unpark(call: string, outcome?: string): void;
  update(type: string, call: string, members: object): void;
  withdraw(call: string, cause?: string): void;
  endCall(call: string, wrapUpMs?: number): void;
  setPresence(changes: object): void;
}

export interface Mock {
  desk: MockDesk;
  url: string;
  accept: boolean;
  /** Null on a normal server; else the calls to try, which were tried, and what trying answers. */
  demo: { items: object[]; calls: string[]; status: number } | null;
  sessions: Map<string, unknown>;
  cut(accept: boolean): void;
  stop(): Promise<void>;
}
