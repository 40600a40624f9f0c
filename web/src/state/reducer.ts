import type {
  Command,
  ErrorFrame,
  EventFrame,
  PingFrame,
  ReplyFrame,
  WelcomeFrame,
} from '../protocol/frames';
import { parsePopMembers } from '../protocol/parse';
import { asTime } from '../protocol/value';
import { applyEvent } from './events';
import { COMMAND_TIMEOUT_MS, INITIAL, LIMITS, type LinkPhase, type Message, type State } from './model';
import { withDocument } from './pops';
import { admit, streamsAfterWelcome } from './streams';

export type Action =
  | { type: 'link'; phase: LinkPhase; closeCode: number | null; now: number }
  | { type: 'frame'; frame: WelcomeFrame | EventFrame | ReplyFrame | PingFrame | ErrorFrame; now: number }
  | { type: 'sent'; command: Command; now: number }
  | { type: 'refused'; command: Command; code: string; now: number }
  | { type: 'rendered'; id: string }
  | { type: 'dismiss'; id: string }
  | { type: 'tick'; now: number }
  | { type: 'reset' };

/** Folds one thing that happened into the state. Pure: the clock comes with the action. */
export function reduce(state: State, action: Action): State {
  switch (action.type) {
    case 'link':
      return linkChanged(state, action.phase, action.closeCode, action.now);
    case 'frame':
      return foldFrame(state, action.frame, action.now);
    case 'sent':
      return remember(state, action.command, action.now);
    case 'refused':
      return told(state, { id: action.command.id, code: action.code, ja: '', en: '', at: action.now });
    case 'rendered':
      return rendered(state, action.id);
    case 'dismiss':
      return { ...state, messages: state.messages.filter((message) => message.id !== action.id) };
    case 'tick':
      return tick(state, action.now);
    case 'reset':
      return INITIAL;
  }
}

function linkChanged(state: State, phase: LinkPhase, closeCode: number | null, now: number): State {
  const upToDate = phase === 'open' || phase === 'off';
  const lostAt = upToDate ? null : (state.link.lostAt ?? now);
  // A socket that is gone cannot be the lead one; the next welcome says who is.
  const lead = phase === 'open' || phase === 'syncing' ? state.lead : false;
  return { ...state, lead, link: { phase, lostAt, closeCode: closeCode ?? state.link.closeCode } };
}

function foldFrame(state: State, frame: (Action & { type: 'frame' })['frame'], now: number): State {
  switch (frame.kind) {
    case 'welcome':
      return welcomed(state, frame, now);
    case 'event':
      return foldEvent(state, frame, now);
    case 'reply':
      return replied(state, frame, now);
    case 'ping': {
      const time = asTime(frame.data.server_time ?? frame.data.at ?? frame.data.time);
      return time === null ? state : { ...state, clockSkewMs: time - now };
    }
    case 'error':
      return state;
  }
}

function welcomed(state: State, frame: WelcomeFrame, now: number): State {
  // Another person logged in behind the same cookie: nothing of the former one may stay on the screen.
  const base = state.agent !== null && state.agent !== frame.agent ? { ...INITIAL, link: state.link } : state;
  const serverTime = asTime(frame.serverTime);
  const streams = streamsAfterWelcome(base.streams, frame.streams);
  const caughtUp = frame.streams.length === 0;
  return {
    ...base,
    agent: frame.agent,
    roles: frame.roles,
    lead: frame.lead,
    gap: false,
    streams,
    clockSkewMs: serverTime === null ? base.clockSkewMs : serverTime - now,
    link: caughtUp ? { phase: 'open', lostAt: null, closeCode: null } : { ...base.link, phase: 'syncing' },
  };
}

function foldEvent(state: State, frame: EventFrame, now: number): State {
  const { verdict, streams } = admit(state.streams, frame);
  if (verdict === 'gap') return { ...state, gap: true };
  if (verdict === 'duplicate') return state;
  let next: State = { ...state, streams };
  const repeatable = frame.type === 'snapshot' || frame.type === 'sync.done';
  if (frame.id !== '' && !repeatable) {
    if (state.seen.includes(frame.id)) return next;
    next = { ...next, seen: [...state.seen, frame.id].slice(-LIMITS.seen) };
  }
  next = applyEvent(next, frame, now);
  const caughtUp =
    next.link.phase === 'syncing' && Object.values(next.streams).every((stream) => stream.live);
  if (frame.type === 'sync.done' && caughtUp) {
    next = { ...next, link: { phase: 'open', lostAt: null, closeCode: null } };
  }
  return next;
}

function remember(state: State, command: Command, now: number): State {
  const pending = { ...state.pending, [command.id]: { command, at: now } };
  const oldest = Object.keys(pending)[0];
  if (oldest !== undefined && Object.keys(pending).length > LIMITS.pending) delete pending[oldest];
  return { ...state, pending };
}

function replied(state: State, frame: ReplyFrame, now: number): State {
  const command = state.pending[frame.repliesTo]?.command;
  if (command === undefined) return state;
  const { [frame.repliesTo]: _answered, ...pending } = state.pending;
  const next = { ...state, pending };
  if (frame.error === null) return next;
  const { code, ja, en, current } = frame.error;
  const pop = next.pops[command.call ?? ''];
  if (current !== null && pop !== undefined) {
    next.pops = { ...next.pops, [pop.call]: withDocument(pop, current.rev, parsePopMembers(current.data)) };
  }
  return told(next, { id: frame.repliesTo, code, ja, en, at: now });
}

function told(state: State, message: Message): State {
  const others = state.messages.filter((known) => known.id !== message.id);
  return { ...state, messages: [...others, message].slice(-LIMITS.messages) };
}

function rendered(state: State, id: string): State {
  const pop = Object.values(state.pops).find((candidate) => candidate.renderAck?.id === id);
  if (pop === undefined) return state;
  return { ...state, pops: { ...state.pops, [pop.call]: { ...pop, renderAck: null } } };
}

function tick(state: State, now: number): State {
  const late = Object.values(state.pending).filter((pending) => now - pending.at >= COMMAND_TIMEOUT_MS);
  let next = state;
  for (const { command } of late) {
    const { [command.id]: _late, ...pending } = next.pending;
    next = told({ ...next, pending }, { id: command.id, code: 'timeout', ja: '', en: '', at: now });
  }
  return next;
}
