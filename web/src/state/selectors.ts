import type { Lang, Notice } from '../protocol/payload';
import { timeOf } from '../text/time';
import { LIMITS, type Parked, type Pop, type Presence, type State } from './model';

/** Order of urgency: the call that rings, then the one being spoken, then the one being written up. */
const ORDER = { offered: 0, claimed: 0, taken: 1, wrapup: 2 } as const;

/** Cards in the order the page shows them; the first one is the one the keys act on. */
export function popsInOrder(state: State): Pop[] {
  return Object.values(state.pops).sort(
    (a, b) => ORDER[a.phase] - ORDER[b.phase] || (a.at ?? 0) - (b.at ?? 0),
  );
}

/** Whether this card may sound now: offered, not expired, and the socket is there to hear of its end. */
export function rings(state: State, pop: Pop, now: number): boolean {
  const connected = state.link.phase === 'open' || state.link.phase === 'syncing';
  const offered = pop.phase === 'offered' && pop.claimedBy === null;
  return connected && offered && (pop.expires === null || now + state.clockSkewMs < pop.expires);
}

export function anyRings(state: State, now: number): boolean {
  return Object.values(state.pops).some((pop) => rings(state, pop, now));
}

/** Whole seconds since the call was offered, by the server's clock. */
export function ringSeconds(state: State, pop: Pop, now: number): number {
  return pop.at === null ? 0 : Math.max(0, Math.floor((now + state.clockSkewMs - pop.at) / 1000));
}

export function noticeAcked(pop: Pop, notice: Notice): boolean {
  return pop.ackedNotices.includes(notice.id);
}

/** Danger first, then warnings; within a level as the server sent them. */
export function noticesInOrder(pop: Pop): Notice[] {
  const rank = { danger: 0, warn: 1, info: 2 } as const;
  return [...pop.data.notices].sort((a, b) => rank[a.level] - rank[b.level]);
}

export function firstUnacked(pop: Pop): Notice | null {
  return noticesInOrder(pop).find((notice) => !noticeAcked(pop, notice)) ?? null;
}

/** WRAPUP cannot finish with an unread `danger` notice (`pop-protocol.md`, state machines). */
export function finishBlocked(pop: Pop): boolean {
  return pop.data.notices.some((notice) => notice.level === 'danger' && !noticeAcked(pop, notice));
}

/** Until one of several customers is chosen, nothing private is shown. */
export function needsChoice(pop: Pop): boolean {
  return pop.data.match.level === 'several' && pop.data.match.customer === null;
}

/** The look-up of our own customers failed: only the number can be shown. */
export function degraded(pop: Pop): boolean {
  const local = pop.data.sources.local;
  return local === 'timeout' || local === 'down' || local === 'error';
}

/** Why nothing is known about the customer, when "there is nothing" would be a claim nobody has checked. */
export function notLookedUp(pop: Pop): 'who.notAvailable' | 'who.notLookedUp' | null {
  if (pop.data.match.customer !== null) return null;
  if (degraded(pop)) return 'who.notAvailable';
  return pop.data.caller.presentation === 'number' ? null : 'who.notLookedUp';
}

export function hasComplaint(pop: Pop): boolean {
  return pop.data.flags.some((flag) => flag.code.includes('complaint'));
}

/** The language to speak: the agent's choice for this call, else the customer's, else Japanese. */
export function scriptLanguage(pop: Pop, chosen: Lang | undefined): Lang {
  return chosen ?? pop.data.match.customer?.language ?? 'ja';
}

/** Callers who wait, the longest first; not those whose card is on this screen. */
export function parkedInOrder(state: State): Parked[] {
  return Object.values(state.parked)
    .filter((parked) => state.pops[parked.call] === undefined)
    .sort((a, b) => a.since - b.since || a.call.localeCompare(b.call));
}

/** The place in the line of the group, from 1; null for who waits for one person. */
export function placeOf(parked: Parked, inOrder: readonly Parked[]): number | null {
  if (!parked.inLine) return null;
  return inOrder.filter((other) => other.inLine && other.group === parked.group).indexOf(parked) + 1;
}

/** Milliseconds of waiting, by the server's clock. */
export function waited(state: State, parked: Parked, now: number): number {
  return Math.max(0, now + state.clockSkewMs - parked.since);
}

/** Milliseconds until the time to wait is over. */
export function waitLeft(state: State, parked: Parked, now: number): number | null {
  return parked.limit === null ? null : Math.max(0, parked.limit - now - state.clockSkewMs);
}

/** Whether the server would offer us a call now: available, and nothing else to do. */
export function canRetrieve(state: State): boolean {
  const { presence } = state;
  const available = presence?.status === 'available' && presence.state === 'idle';
  return available && presence.overlays.length === 0 && state.link.phase === 'open';
}

/** Seconds the page has not been up to date; 0 while it is. */
export function lostSeconds(state: State, now: number): number {
  return state.link.lostAt === null ? 0 : Math.max(0, (now - state.link.lostAt) / 1000);
}

/** A call that was just taken away from this screen: said for eight seconds, then forgotten. */
export function recentlyEnded(state: State, now: number) {
  const last = state.ended.at(-1);
  return last !== undefined && last.wasOffered && now - last.at < 8_000 ? last : null;
}

/** Whether a command of this type about this call is on its way. */
export function isPending(state: State, type: string, call?: string): boolean {
  return Object.values(state.pending).some(
    ({ command }) => command.type === type && (call === undefined || command.call === call),
  );
}

export const MISSED_LIMIT = LIMITS.missed;

/** When somebody who is away wanted to be back, once that time has come. Nobody is made available by it. */
export function returnDue(presence: Presence | null, now: number): number | null {
  const until = presence?.status === 'away' ? timeOf(presence.until) : null;
  return until !== null && until <= now ? until : null;
}
