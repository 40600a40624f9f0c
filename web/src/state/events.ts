import type { EventFrame } from '../protocol/frames';
import { parseCustomer } from '../protocol/parse';
import { asText, asTextOrNull, asTime } from '../protocol/value';
import { LIMITS, type Pop, type State } from './model';
import { callParked, callRetrieved, parkWarned } from './parked';
import { popEnded, popMissed, popOffered, popReplaced } from './pops';
import { parsePresence, person } from './presence';
import { applySnapshot } from './snapshot';

/** Applies an admitted event. Types this page does not know are ignored: the protocol grows by addition. */
export function applyEvent(state: State, frame: EventFrame, now: number): State {
  const handler = HANDLERS[frame.type];
  return handler === undefined ? state : handler(state, frame, now);
}

type Handler = (state: State, frame: EventFrame, now: number) => State;

const HANDLERS: Record<string, Handler> = {
  snapshot: applySnapshot,
  'lead.changed': (state, frame) => ({ ...state, lead: frame.data.lead === true }),
  'config.changed': (state, frame) => ({ ...state, configHash: asTextOrNull(frame.data.config_hash) }),
  'presence.changed': presenceChanged,
  'call.parked': callParked,
  'call.retrieved': callRetrieved,
  'park.warning': parkWarned,
  'system.degraded': (state, frame) => systemPart(state, asText(frame.data.part), true),
  'system.recovered': (state, frame) => systemPart(state, asText(frame.data.part), false),

  'pop.offered': popOffered,
  'pop.enriched': popReplaced,
  'pop.updated': popReplaced,
  'pop.claimed': popClaimed,
  'pop.taken': popTaken,
  'pop.withdrawn': (state, frame, now) => popEnded(state, frame, now, asText(frame.data.cause) || 'gone'),
  'pop.missed': popMissed,
  'pop.closed': (state, frame, now) => popEnded(state, frame, now, 'closed'),

  'call.answered': callAnswered,
  'call.ended': (state, frame) => change(state, frame, () => ({ callEnded: true })),
  'ring.sla': (state, frame) => change(state, frame, (pop) => ({ ringLate: pop.phase === 'offered' })),

  'match.chosen': matchChosen,
  'notice.acked': noticeAcked,
  'wrapup.started': (state, frame) =>
    change(state, frame, () => ({ phase: 'wrapup', callEnded: true, wrapupUntil: asTime(frame.data.until) })),
  'wrapup.done': (state, frame, now) => popEnded(state, frame, now, 'closed'),
};

/** Changes the card of the event's call, if it is shown and the event is not older than what it shows. */
function change(state: State, frame: EventFrame, how: (pop: Pop) => Partial<Pop>): State {
  const pop = frame.call === null ? undefined : state.pops[frame.call];
  if (pop === undefined || (frame.rev !== null && frame.rev < pop.rev)) return state;
  const rev = frame.rev ?? pop.rev;
  return { ...state, pops: { ...state.pops, [pop.call]: { ...pop, rev, ...how(pop) } } };
}

function popClaimed(state: State, frame: EventFrame): State {
  const by = person(frame.data.by);
  const mine = by === null || by === state.agent;
  return change(state, frame, (pop) =>
    pop.phase === 'offered' || pop.phase === 'claimed'
      ? { phase: mine ? 'claimed' : 'offered', claimedBy: mine ? null : by }
      : {},
  );
}

function popTaken(state: State, frame: EventFrame, now: number): State {
  const by = person(frame.data.by);
  if (by !== null && by !== state.agent) return popEnded(state, frame, now, 'answered_elsewhere');
  return change(state, frame, () => ({ phase: 'taken', claimedBy: null }));
}

function callAnswered(state: State, frame: EventFrame, now: number): State {
  const by = person(frame.data.by ?? frame.data.agent);
  if (by !== null && by !== state.agent) return state;
  const answeredAt = asTime(frame.at) ?? now + state.clockSkewMs;
  return change(state, frame, (pop) => ({ phase: pop.phase === 'wrapup' ? 'wrapup' : 'taken', answeredAt }));
}

function matchChosen(state: State, frame: EventFrame): State {
  const chosen = frame.data.customer;
  return change(state, frame, (pop) => {
    const { match } = pop.data;
    const customer =
      typeof chosen === 'object' && chosen !== null
        ? parseCustomer(chosen)
        : match.candidates.find((candidate) => candidate.id === asText(chosen));
    if (customer === undefined) return {};
    return { data: { ...pop.data, match: { ...match, level: 'known', customer } } };
  });
}

function systemPart(state: State, part: string, down: boolean): State {
  const others = state.degraded.filter((known) => known !== part);
  return { ...state, degraded: (down ? [...others, part] : others).slice(-LIMITS.degraded) };
}

function noticeAcked(state: State, frame: EventFrame): State {
  const id = asText(frame.data.id);
  return change(state, frame, (pop) =>
    pop.ackedNotices.includes(id) ? {} : { ackedNotices: [...pop.ackedNotices, id] },
  );
}

function presenceChanged(state: State, frame: EventFrame): State {
  const presence = parsePresence(frame.data);
  if (presence.agent === '' || presence.agent === state.agent) {
    return { ...state, presence: { ...presence, agent: state.agent ?? presence.agent } };
  }
  const known = state.colleagues[presence.agent] !== undefined;
  if (!known && Object.keys(state.colleagues).length >= LIMITS.colleagues) return state;
  return { ...state, colleagues: { ...state.colleagues, [presence.agent]: presence } };
}
