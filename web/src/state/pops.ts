import type { EventFrame } from '../protocol/frames';
import { parsePop, parsePopMembers } from '../protocol/parse';
import type { PopData } from '../protocol/payload';
import { asObject, asTime } from '../protocol/value';
import { type Ended, LIMITS, type Pop, type State } from './model';

/**
 * `pop.offered`: opens the card, unless it is old: an older revision, a call that ended, or past its expiry.
 */
export function popOffered(state: State, frame: EventFrame, now: number): State {
  if (frame.call === null) return state;
  const rev = frame.rev ?? 1;
  const shown = state.pops[frame.call];
  if (shown !== undefined && rev <= shown.rev) return state;
  const ended = state.ended.findLast((item) => item.call === frame.call);
  if (ended !== undefined && rev <= ended.rev) return state;
  const expires = asTime(frame.expires);
  if (expires !== null && expires <= now + state.clockSkewMs) return state;

  const renderAck = frame.ack === 'render' ? { id: frame.id, stream: frame.stream, seq: frame.seq } : null;
  const at = asTime(frame.at) ?? now + state.clockSkewMs;
  const pop: Pop = { ...freshPop(frame.call, rev, parsePop(frame.data)), at, expires, renderAck };
  const lastRender = renderAck ?? state.lastRender;
  return { ...state, lastRender, pops: { ...state.pops, [pop.call]: pop } };
}

/** A card as it is when first shown. */
export function freshPop(call: string, rev: number, data: PopData): Pop {
  return {
    call,
    rev,
    documentRev: rev,
    phase: 'offered',
    at: null,
    expires: null,
    claimedBy: null,
    answeredAt: null,
    callEnded: false,
    wrapupUntil: null,
    ringLate: false,
    ackedNotices: data.notices.filter((notice) => notice.acked).map((notice) => notice.id),
    renderAck: null,
    data,
  };
}

/**
 * `pop.enriched` and `pop.updated`: whole top-level members replace ours; a document not newer than ours is
 * dropped.
 */
export function popReplaced(state: State, frame: EventFrame): State {
  const pop = frame.call === null ? undefined : state.pops[frame.call];
  if (pop === undefined) return state;
  const next = withDocument(pop, frame.rev ?? pop.rev + 1, parsePopMembers(frame.data));
  return next === pop ? state : { ...state, pops: { ...state.pops, [pop.call]: next } };
}

/** The card with newer members, or the same card when they are not newer. */
export function withDocument(pop: Pop, rev: number, members: Partial<PopData>): Pop {
  // A step of the call may carry the revision of the document that follows it: the two are counted apart.
  if (rev <= pop.documentRev || rev < pop.rev) return pop;
  const data = { ...pop.data, ...members };
  const acked = data.notices.filter((notice) => notice.acked).map((notice) => notice.id);
  return { ...pop, rev, documentRev: rev, data, ackedNotices: [...new Set([...pop.ackedNotices, ...acked])] };
}

/** The card goes; what it was about is remembered for the list of missed calls and against late replays. */
export function popEnded(state: State, frame: EventFrame, now: number, cause: string): State {
  if (frame.call === null) return state;
  const pop = state.pops[frame.call];
  if (pop !== undefined && frame.rev !== null && frame.rev < pop.rev) return state;
  const before = state.ended.findLast((item) => item.call === frame.call);
  if (pop === undefined && before !== undefined) return state;
  const { [frame.call]: _gone, ...pops } = state.pops;
  const ended: Ended = {
    call: frame.call,
    rev: Math.max(frame.rev ?? 0, pop?.rev ?? 0),
    cause,
    by: typeof frame.data.by === 'string' ? frame.data.by : null,
    at: now,
    wasOffered: pop?.phase === 'offered' || pop?.phase === 'claimed',
    caller: pop?.data.caller ?? null,
    customer: pop?.data.match.customer ?? null,
    clientName: pop?.data.dialled.clientName ?? '',
  };
  return { ...state, pops, ended: [...state.ended, ended].slice(-LIMITS.ended) };
}

/** `pop.missed` comes after the withdrawal, or alone when a replay was folded. */
export function popMissed(state: State, frame: EventFrame, now: number): State {
  if (frame.call === null) return state;
  const next = popEnded(state, frame, now, 'missed');
  if (next.missed.some((item) => item.call === frame.call)) return next;
  const ended = next.ended.findLast((item) => item.call === frame.call);
  const told = parsePopMembers(asObject(frame.data));
  const missed = {
    call: frame.call,
    at: asTime(frame.at) ?? now + state.clockSkewMs,
    caller: told.caller ?? ended?.caller ?? null,
    customer: told.match?.customer ?? ended?.customer ?? null,
    clientName: told.dialled?.clientName ?? ended?.clientName ?? '',
  };
  return { ...next, missed: [missed, ...next.missed].slice(0, LIMITS.missed) };
}
