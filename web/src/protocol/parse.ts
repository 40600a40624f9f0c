import type {
  Assignee,
  Caller,
  Contact,
  Customer,
  Flag,
  Guidance,
  Lang,
  LocalText,
  Match,
  Notice,
  OpenItems,
  PopData,
  Presentation,
} from './payload';
import { asList, asNumber, asNumberOrNull, asObject, asText, asTextOrNull } from './value';

/** Reads a whole `pop.offered` payload; whatever is missing gets its empty form. */
export function parsePop(value: unknown): PopData {
  return { ...EMPTY_POP, ...parsePopMembers(value) };
}

/** Reads only the top-level members that are there: the form `pop.enriched` and `pop.updated` have. */
export function parsePopMembers(value: unknown): Partial<PopData> {
  const wire = asObject(value);
  const members: Partial<PopData> = {};
  for (const key of Object.keys(READERS) as (keyof PopData)[]) {
    if (wire[key] !== undefined) Object.assign(members, { [key]: READERS[key](wire[key]) });
  }
  return members;
}

/** A card about which nothing is known but that a call is there. */
export const EMPTY_POP: PopData = {
  offer: { reason: '', ringLimitS: 10, others: 0 },
  caller: {
    presentation: 'error',
    e164: null,
    national: null,
    kind: null,
    label: {},
    displayName: null,
    divertedBy: null,
    verified: null,
  },
  dialled: { number: '', client: null, clientName: '' },
  match: { level: 'none', count: 0, customer: null, candidates: [] },
  notices: [],
  flags: [],
  assignee: null,
  contacts: [],
  open: { cases: [], callbacks: [], dispatch: null },
  guidance: { greeting: {}, steps: [] },
  actions: [],
  transfer: { count: 0, limit: 1 },
  sources: {},
};

const READERS: { [K in keyof PopData]: (value: unknown) => PopData[K] } = {
  offer: (value) => {
    const wire = asObject(value);
    return {
      reason: asText(wire.reason),
      ringLimitS: asNumber(wire.ring_limit_s, 10),
      others: asNumber(wire.others, 0),
    };
  },
  caller: parseCaller,
  dialled: (value) => {
    const wire = asObject(value);
    return {
      number: asText(wire.number),
      client: asTextOrNull(wire.client),
      clientName: asText(wire.client_name),
    };
  },
  match: parseMatch,
  notices: (value) => asList(value).map(parseNotice),
  flags: (value) =>
    asList(value)
      .map(parseFlag)
      .filter((flag) => flag.code !== ''),
  assignee: parseAssignee,
  contacts: (value) => asList(value).map(parseContact),
  open: parseOpen,
  guidance: parseGuidance,
  actions: (value) => asList(value).map(asText),
  transfer: (value) => {
    const wire = asObject(value);
    const note = asText(wire.note);
    const counted = { count: asNumber(wire.count, 0), limit: asNumber(wire.limit, 1) };
    return note === '' ? counted : { ...counted, note };
  },
  sources: (value) =>
    Object.fromEntries(Object.entries(asObject(value)).map(([name, state]) => [name, asText(state)])),
};

const PRESENTATIONS: readonly Presentation[] = [
  'number',
  'withheld',
  'payphone',
  'out_of_area',
  'service_conflict',
  'error',
];

export function parseCaller(value: unknown): Caller {
  const wire = asObject(value);
  const presentation = PRESENTATIONS.find((known) => known === wire.presentation) ?? 'error';
  // A restricted caller has no number on this page even if a server ever sent one by mistake.
  const shown = presentation === 'number';
  return {
    presentation,
    e164: shown ? asTextOrNull(wire.e164) : null,
    national: shown ? asTextOrNull(wire.national) : null,
    kind: asTextOrNull(wire.kind),
    label: pruned(wire.label_ja, wire.label_en),
    displayName: shown ? asTextOrNull(wire.name) : null,
    divertedBy: asTextOrNull(wire.diverted_by),
    verified: typeof wire.verified === 'boolean' ? wire.verified : null,
  };
}

export function parseCustomer(value: unknown): Customer {
  const wire = asObject(value);
  return {
    id: asText(wire.id),
    name: asText(wire.name),
    kana: asText(wire.kana),
    org: asText(wire.org ?? wire.company),
    rank: asText(wire.rank),
    language: asLang(wire.language),
  };
}

function parseMatch(value: unknown): Match {
  const wire = asObject(value);
  const candidates = asList(wire.candidates).map(parseCustomer);
  return {
    level: asText(wire.level) || 'none',
    count: asNumber(wire.count, candidates.length),
    customer: wire.customer ? parseCustomer(wire.customer) : null,
    candidates,
  };
}

function parseNotice(value: unknown): Notice {
  const wire = asObject(value);
  const level = wire.level === 'danger' || wire.level === 'warn' ? wire.level : 'info';
  const acked = wire.ack === 'done';
  return {
    id: asText(wire.id),
    level,
    text: asText(wire.text),
    by: asText(wire.by),
    at: asTextOrNull(wire.at),
    acked,
  };
}

function parseFlag(value: unknown): Flag {
  const wire = asObject(value);
  return {
    code: asText(wire.code),
    level: asNumberOrNull(wire.level),
    count: asNumberOrNull(wire.count),
    windowH: asNumberOrNull(wire.window_h),
  };
}

function parseAssignee(value: unknown): Assignee | null {
  if (value === null) return null;
  const wire = asObject(value);
  return {
    id: asText(wire.id),
    name: asText(wire.name),
    role: asText(wire.role),
    state: asText(wire.state),
    reason: asTextOrNull(wire.reason),
    spoken:
      typeof wire.spoken === 'string' ? pruned(wire.spoken, wire.spoken_en) : parseLocalText(wire.spoken),
    until: asTextOrNull(wire.until),
    nextStart: asTextOrNull(wire.next_start),
    why: asTextOrNull(wire.why_assignee),
  };
}

export function parseContact(value: unknown): Contact {
  const wire = asObject(value);
  return {
    at: asText(wire.at),
    by: asText(wire.by ?? wire.agent),
    direction: asText(wire.direction),
    summary: asText(wire.summary),
    disposition: asText(wire.disposition),
  };
}

function parseOpen(value: unknown): OpenItems {
  const wire = asObject(value);
  const dispatch = wire.dispatch ? asObject(wire.dispatch) : null;
  return {
    cases: asList(wire.cases)
      .map(asObject)
      .map((item) => ({
        id: asText(item.id),
        title: asText(item.title),
        status: asText(item.status),
        next: asText(item.next),
        owner: asText(item.owner),
      })),
    callbacks: asList(wire.callbacks)
      .map(asObject)
      .map((item) => ({
        id: asText(item.id),
        due: asTextOrNull(item.due),
        by: asText(item.by),
        state: asText(item.state),
      })),
    dispatch: dispatch && {
      eta: asTextOrNull(dispatch.eta),
      delayMin: asNumber(dispatch.delay_min, 0),
      asOf: asTextOrNull(dispatch.as_of),
      chases: asNumber(dispatch.chases, 0),
    },
  };
}

function parseGuidance(value: unknown): Guidance {
  const wire = asObject(value);
  const steps = asList(wire.steps)
    .map(asObject)
    .map((step) => ({
      id: asText(step.id),
      text: parseLocalText(step),
      locked: asTextOrNull(step.locked),
    }));
  return { greeting: parseLocalText(wire.greeting), steps };
}

function parseLocalText(value: unknown): LocalText {
  if (typeof value === 'string') return pruned(value, undefined);
  const wire = asObject(value);
  return pruned(wire.ja, wire.en);
}

function pruned(ja: unknown, en: unknown): LocalText {
  const text: LocalText = {};
  if (asText(ja)) text.ja = asText(ja);
  if (asText(en)) text.en = asText(en);
  return text;
}

function asLang(value: unknown): Lang | null {
  return value === 'ja' || value === 'en' ? value : null;
}
