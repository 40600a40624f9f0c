import type { EventFrame } from '../protocol/frames';
import { parsePop } from '../protocol/parse';
import { asList, asNumber, asObject, asText, asTextOrNull, asTime } from '../protocol/value';
import { LIMITS, type Pop, type PopPhase, type State } from './model';
import { parkedFromSnapshot } from './parked';
import { freshPop } from './pops';
import { parsePresence } from './presence';

/**
 * The whole truth about our own stream: live cards that are not in it are over. Shared streams have snapshots
 * as well; those hold no cards of ours and must not sweep them away.
 */
export function applySnapshot(state: State, frame: EventFrame): State {
  if (!Array.isArray(frame.data.pops)) return sharedSnapshot(state, frame);
  const pops: Record<string, Pop> = {};
  for (const item of asList(frame.data.pops)) {
    const pop = popFromDocument(item, state);
    if (pop !== null) pops[pop.call] = pop;
  }
  const presence = frame.data.presence ? parsePresence(asObject(frame.data.presence)) : state.presence;
  const degraded = asList(frame.data.degraded).map(asText).slice(0, LIMITS.degraded);
  const parked = parkedFromSnapshot(state.parked, frame);
  return { ...state, pops, parked, presence, configHash: asTextOrNull(frame.data.config_hash), degraded };
}

function sharedSnapshot(state: State, frame: EventFrame): State {
  const known = asList(frame.data.presences).map((item) => parsePresence(asObject(item)));
  const others = known.filter((item) => item.agent !== '').slice(0, LIMITS.colleagues);
  const parked = parkedFromSnapshot(state.parked, frame);
  const colleagues = Object.fromEntries(others.map((item) => [item.agent, item]));
  return { ...state, parked, colleagues: { ...state.colleagues, ...colleagues } };
}

const PHASES: readonly PopPhase[] = ['offered', 'claimed', 'taken', 'wrapup'];

function popFromDocument(value: unknown, state: State): Pop | null {
  const wire = asObject(value);
  const call = asText(wire.call);
  const phase = PHASES.find((known) => known === wire.state);
  if (call === '' || phase === undefined) return null;
  const shown = state.pops[call];
  const pop = freshPop(call, asNumber(wire.rev, 1), parsePop(wire.data));
  return {
    ...pop,
    phase,
    at: asTime(wire.at),
    expires: asTime(wire.expires),
    answeredAt: asTime(wire.answered_at) ?? shown?.answeredAt ?? null,
    wrapupUntil: asTime(wire.wrapup_until ?? wire.until) ?? shown?.wrapupUntil ?? null,
    callEnded: phase === 'wrapup',
    ringLate: shown?.ringLate ?? false,
    ackedNotices: [...new Set([...pop.ackedNotices, ...(shown?.ackedNotices ?? [])])],
    // Painting what was already on the screen is not reported twice.
    renderAck: shown?.renderAck ?? null,
  };
}
