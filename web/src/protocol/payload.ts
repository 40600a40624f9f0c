// What `pop.offered` carries, as the page uses it. Wire values are parsed once, in parse.ts; unknown members
// are dropped there, unknown codes stay strings so that a newer server can name what this page does not know
// yet.

export type Lang = 'ja' | 'en';

/** A text in one or both languages; which one is shown is the reader's choice, not the writer's. */
export interface LocalText {
  ja?: string;
  en?: string;
}

/** `number` and the five states without one (the words a Japanese telephone shows). */
export type Presentation = 'number' | 'withheld' | 'payphone' | 'out_of_area' | 'service_conflict' | 'error';

export interface Caller {
  presentation: Presentation;
  e164: string | null;
  national: string | null;
  kind: string | null;
  label: LocalText;
  /** Display name as the caller sent it: untrusted text. */
  displayName: string | null;
  /** The first number that diverted the call here. */
  divertedBy: string | null;
  /** False: the number was not asserted by a trusted peer. Null: the server did not say. */
  verified: boolean | null;
}

export interface Dialled {
  number: string;
  client: string | null;
  clientName: string;
}

export interface Customer {
  id: string;
  name: string;
  kana: string;
  org: string;
  rank: string;
  /** Language to speak with this customer; null when not recorded. */
  language: Lang | null;
}

export interface Match {
  /** `known`, `likely`, `several`, `none`; a newer word is shown like `none`. */
  level: string;
  count: number;
  customer: Customer | null;
  candidates: Customer[];
}

export interface Notice {
  id: string;
  level: 'danger' | 'warn' | 'info';
  text: string;
  by: string;
  at: string | null;
  acked: boolean;
}

export interface Flag {
  code: string;
  level: number | null;
  count: number | null;
  windowH: number | null;
}

export interface Assignee {
  id: string;
  name: string;
  role: string;
  state: string;
  reason: string | null;
  /** What may be said to the customer; never the internal reason. */
  spoken: LocalText;
  until: string | null;
  nextStart: string | null;
  why: string | null;
}

export interface Contact {
  at: string;
  by: string;
  direction: string;
  summary: string;
  disposition: string;
}

export interface OpenItems {
  cases: { id: string; title: string; status: string; next: string; owner: string }[];
  callbacks: { id: string; due: string | null; by: string; state: string }[];
  dispatch: { eta: string | null; delayMin: number; asOf: string | null; chases: number } | null;
}

export interface Step {
  id: string;
  text: LocalText;
  /** Why the step must not be said yet, e.g. `approval_required`; null when it may. */
  locked: string | null;
}

export interface Guidance {
  greeting: LocalText;
  steps: Step[];
}

export interface Offer {
  reason: string;
  ringLimitS: number;
  others: number;
}

/** The whole card. Members are replaced one by one by `pop.enriched`, never patched inside. */
export interface PopData {
  offer: Offer;
  caller: Caller;
  dialled: Dialled;
  match: Match;
  notices: Notice[];
  flags: Flag[];
  assignee: Assignee | null;
  contacts: Contact[];
  open: OpenItems;
  guidance: Guidance;
  actions: string[];
  transfer: { count: number; limit: number; note?: string };
  sources: Record<string, string>;
}
