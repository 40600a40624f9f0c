import type { EventFrame } from '../protocol/frames';
import { parseCaller } from '../protocol/parse';
import { type Json, asList, asObject, asText, asTextOrNull, asTime } from '../protocol/value';
import { LIMITS, type Parked, type State } from './model';

/** A call came into the lot, or goes on waiting in another mode. */
export function callParked(state: State, frame: EventFrame): State {
  const parked = frame.call === null ? null : parsedParked(frame.call, frame.data, frame.stream);
  return parked === null ? state : { ...state, parked: withParked(state.parked, parked) };
}

/** It waits no longer, whatever the end was; the first stream that says so is believed. */
export function callRetrieved(state: State, frame: EventFrame): State {
  if (frame.call === null || state.parked[frame.call] === undefined) return state;
  const { [frame.call]: _gone, ...parked } = state.parked;
  return { ...state, parked };
}

/** The time to wait is nearly over. */
export function parkWarned(state: State, frame: EventFrame): State {
  const parked = frame.call === null ? undefined : state.parked[frame.call];
  if (parked === undefined) return state;
  return { ...state, parked: { ...state.parked, [parked.call]: { ...parked, warned: true } } };
}

/**
 * The whole truth of one stream about the lot: what only this stream had told of and does not name any more
 * is over.
 */
export function parkedFromSnapshot(before: State['parked'], frame: EventFrame): State['parked'] {
  const stream = frame.stream ?? '';
  const others = Object.values(before)
    .map((parked) => ({ ...parked, streams: parked.streams.filter((name) => name !== stream) }))
    .filter((parked) => parked.streams.length > 0);
  const rest = Object.fromEntries(others.map((parked) => [parked.call, parked]));
  return asList(frame.data.parked)
    .map(asObject)
    .map((wire) => parsedParked(asText(wire.call), wire, frame.stream))
    .reduce((all, parked) => {
      if (parked === null) return all;
      const warned = before[parked.call]?.warned ?? false;
      return withParked(all, { ...parked, warned });
    }, rest);
}

function withParked(all: State['parked'], parked: Parked): State['parked'] {
  const known = all[parked.call];
  if (known === undefined && Object.keys(all).length >= LIMITS.parked) return all;
  const streams = [...new Set([...(known?.streams ?? []), ...parked.streams])];
  return { ...all, [parked.call]: { ...parked, streams, warned: parked.warned || (known?.warned ?? false) } };
}

function parsedParked(call: string, wire: Json, stream: string | null): Parked | null {
  const since = asTime(wire.since);
  if (call === '' || since === null) return null;
  const dialled = asObject(wire.dialled);
  const assignee = wire.assignee ? asObject(wire.assignee) : null;
  return {
    call,
    mode: asText(wire.mode),
    since,
    limit: asTime(wire.limit ?? wire.until),
    group: asTextOrNull(wire.group),
    inLine: wire.position !== 0,
    caller: parseCaller(wire.caller),
    customer: asTextOrNull(wire.customer),
    assignee: assignee && { id: asText(assignee.id), name: asText(assignee.name) },
    clientName: asText(dialled.client_name) || asText(dialled.number),
    warned: false,
    streams: stream === null ? [] : [stream],
  };
}
