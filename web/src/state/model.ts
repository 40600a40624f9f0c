import type { Command, RenderAck, StreamPosition } from '../protocol/frames';
import type { Caller, Customer, PopData } from '../protocol/payload';

/**
 * Everything the page shows that came over the socket. Plain data: it is posted from the worker to every tab.
 */
export interface State {
  link: Link;
  /** Own agent id, null for a person without a desk (a supervisor) or before the first welcome. */
  agent: string | null;
  roles: string[];
  /** True when the server named this socket the one that may sound. */
  lead: boolean;
  /** Server clock minus our clock, in milliseconds. */
  clockSkewMs: number;
  streams: Record<string, StreamState>;
  /** A live frame was missing: what is shown cannot be trusted until the link has resumed. */
  gap: boolean;
  presence: Presence | null;
  /** Presence of others, by agent id, as far as our streams tell. */
  colleagues: Record<string, Presence>;
  /** Live cards by call id. */
  pops: Record<string, Pop>;
  /** Names the last card, painted or not: with it a screen that was late says that it works. */
  lastRender: RenderAck | null;
  /** Callers who wait in the lot, by call id, as far as our streams tell. */
  parked: Record<string, Parked>;
  /** Calls that ended here, newest last: a late replay must not open them again. */
  ended: Ended[];
  missed: Missed[];
  configHash: string | null;
  /** Parts of the system that do not work at the moment; calls go on. */
  degraded: string[];
  pending: Record<string, Pending>;
  messages: Message[];
  /** Ids of recent events, newest last, for de-duplication. */
  seen: string[];
}

/**
 * `syncing` is connected but not yet caught up; `refused` is a close that must not be followed by a
 * reconnect.
 */
export type LinkPhase = 'off' | 'connecting' | 'syncing' | 'open' | 'waiting' | 'refused';

export interface Link {
  phase: LinkPhase;
  /** When the page stopped being up to date (our clock, ms); null while it is. */
  lostAt: number | null;
  closeCode: number | null;
}

export interface StreamState extends StreamPosition {
  live: boolean;
}

export interface Presence {
  agent: string;
  status: string;
  reason: string | null;
  until: string | null;
  nextStart: string | null;
  setBy: string | null;
  since: string | null;
  /** What the system sees: `idle reserved ringing on_call wrap_up`. */
  state: string;
  /** What keeps calls from them for now, whatever they chose: `client_stale`, `phone_down`. */
  overlays: Overlay[];
}

export interface Overlay {
  kind: string;
  since: string | null;
}

/** A caller who waits. */
export interface Parked {
  call: string;
  /** `ringing`, `early-media`, `answered`. */
  mode: string;
  /** Server clock, ms. */
  since: number;
  /** Server clock, ms: when the time to wait is over. */
  limit: number | null;
  group: string | null;
  /** Waits for the whole group, and not for one person. */
  inLine: boolean;
  caller: Caller;
  customer: string | null;
  assignee: { id: string; name: string } | null;
  clientName: string;
  /** The server warned that the time is nearly over. */
  warned: boolean;
  /** The streams that told of it. */
  streams: string[];
}

export type PopPhase = 'offered' | 'claimed' | 'taken' | 'wrapup';

export interface Pop {
  call: string;
  /** Highest revision heard of: what a command names. */
  rev: number;
  /** Revision of `data`: a document not above it is dropped. */
  documentRev: number;
  phase: PopPhase;
  /** Server clock, ms: when the call was offered. */
  at: number | null;
  /** Server clock, ms: after this it must not ring. */
  expires: number | null;
  /** Who reserved it ("確認中"), when that is somebody else. */
  claimedBy: string | null;
  answeredAt: number | null;
  callEnded: boolean;
  wrapupUntil: number | null;
  /** The server's word that the ring limit passed (`ring.sla`). */
  ringLate: boolean;
  /** Notices acknowledged on this call; kept beside the data because enrichment replaces `notices`. */
  ackedNotices: string[];
  renderAck: RenderAck | null;
  data: PopData;
}

export interface Ended {
  call: string;
  rev: number;
  /** Cause of `pop.withdrawn`, or `closed`, `gone`. */
  cause: string;
  by: string | null;
  /** Our clock, ms. */
  at: number;
  /** True when it ended while it was offered here: worth a short word to the agent. */
  wasOffered: boolean;
  caller: Caller | null;
  customer: Customer | null;
  clientName: string;
}

export interface Missed {
  call: string;
  at: number;
  caller: Caller | null;
  customer: Customer | null;
  clientName: string;
}

export interface Pending {
  command: Command;
  at: number;
}

/** Something that was refused, in the server's words where it gave some. */
export interface Message {
  id: string;
  code: string;
  ja: string;
  en: string;
  at: number;
}

/** Limits of every list above; the oldest entry gives way. */
export const LIMITS = {
  ended: 100,
  missed: 50,
  messages: 3,
  seen: 512,
  pending: 32,
  colleagues: 500,
  degraded: 8,
  parked: 500,
} as const;

/** How long a command may stay unanswered before the person is told, in milliseconds. */
export const COMMAND_TIMEOUT_MS = 10_000;

export const INITIAL: State = {
  link: { phase: 'off', lostAt: null, closeCode: null },
  agent: null,
  roles: [],
  lead: false,
  clockSkewMs: 0,
  streams: {},
  gap: false,
  presence: null,
  colleagues: {},
  pops: {},
  lastRender: null,
  parked: {},
  ended: [],
  missed: [],
  configHash: null,
  degraded: [],
  pending: {},
  messages: [],
  seen: [],
};
