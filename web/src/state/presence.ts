import { type Json, asList, asObject, asText, asTextOrNull } from '../protocol/value';
import type { Presence } from './model';

/** The presence document, the same in events, in the snapshot and in REST. */
export function parsePresence(wire: Json): Presence {
  return {
    agent: asText(wire.agent),
    status: asText(wire.status) || 'offline',
    reason: asTextOrNull(wire.reason),
    until: asTextOrNull(wire.until),
    nextStart: asTextOrNull(wire.next_start),
    setBy: person(wire.set_by),
    since: asTextOrNull(wire.since),
    state: asText(wire.state) || 'idle',
    overlays: asList(wire.overlays)
      .map(asObject)
      .map((overlay) => ({ kind: asText(overlay.kind), since: asTextOrNull(overlay.since) })),
  };
}

/** A person is told as an id or as an object with one. */
export function person(value: unknown): string | null {
  return asTextOrNull(value) ?? asTextOrNull(asObject(value).id);
}
