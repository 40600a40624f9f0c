import { type Json, asList, asNumberOrNull, asObject, asText, asTextOrNull } from './value';

/** The sub-protocol this page speaks (`pop-protocol.md`). */
export const SUBPROTOCOL = 'spop.v1';

export interface StreamPosition {
  stream: string;
  epoch: string;
  seq: number;
}

export interface WelcomeFrame {
  kind: 'welcome';
  agent: string | null;
  roles: string[];
  serverTime: string | null;
  streams: (StreamPosition & { resumed: boolean })[];
  lead: boolean;
}

export interface EventFrame {
  kind: 'event';
  type: string;
  id: string;
  stream: string | null;
  epoch: string | null;
  seq: number | null;
  at: string | null;
  call: string | null;
  rev: number | null;
  expires: string | null;
  ack: 'none' | 'render' | 'read';
  replay: boolean;
  data: Json;
}

export interface ReplyFrame {
  kind: 'reply';
  repliesTo: string;
  ok: boolean;
  data: Json;
  error: ReplyError | null;
}

export interface ReplyError {
  code: string;
  ja: string;
  en: string;
  retry: boolean;
  /** With `conflict`: the card as it now is. */
  current: { rev: number; data: unknown } | null;
}

export interface PingFrame {
  kind: 'ping';
  data: Json;
}

export interface ErrorFrame {
  kind: 'error';
  code: string;
}

export type ServerFrame = WelcomeFrame | EventFrame | ReplyFrame | PingFrame | ErrorFrame;

/** Reads one text frame; null for what is not a frame of ours (it is ignored: additive versioning). */
export function parseFrame(text: string): ServerFrame | null {
  let wire: Json;
  try {
    wire = asObject(JSON.parse(text));
  } catch {
    return null;
  }
  const data = asObject(wire.data);
  if (wire.kind === 'event') return parseEvent(wire, data);
  if (wire.kind === 'welcome') return parseWelcome(data);
  if (wire.kind === 'reply') return parseReply(wire, data);
  if (wire.kind === 'ping') return { kind: 'ping', data };
  if (wire.kind === 'error') return { kind: 'error', code: asText(asObject(wire.error ?? data).code) };
  return null;
}

function parseEvent(wire: Json, data: Json): EventFrame | null {
  const type = asText(wire.type);
  if (type === '') return null;
  return {
    kind: 'event',
    type,
    id: asText(wire.id),
    stream: asTextOrNull(wire.stream),
    epoch: asTextOrNull(wire.epoch),
    seq: asNumberOrNull(wire.seq),
    at: asTextOrNull(wire.at),
    call: asTextOrNull(wire.call),
    rev: asNumberOrNull(wire.rev),
    expires: asTextOrNull(wire.expires),
    ack: wire.ack === 'render' || wire.ack === 'read' ? wire.ack : 'none',
    replay: wire.replay === true,
    data,
  };
}

function parseWelcome(data: Json): WelcomeFrame {
  const streams = asList(data.streams)
    .map(asObject)
    .map((item) => ({
      stream: asText(item.stream),
      epoch: asText(item.epoch),
      seq: asNumberOrNull(item.seq) ?? 0,
      resumed: item.resumed === true,
    }));
  return {
    kind: 'welcome',
    agent: asTextOrNull(data.agent),
    roles: asList(data.roles).map(asText),
    serverTime: asTextOrNull(data.server_time),
    streams,
    lead: data.lead === true,
  };
}

function parseReply(wire: Json, data: Json): ReplyFrame {
  return {
    kind: 'reply',
    repliesTo: asText(wire.replies_to),
    ok: wire.ok === true,
    data,
    error: wire.ok === true ? null : parseError(asObject(wire.error)),
  };
}

function parseError(error: Json): ReplyError {
  const current = asObject(error.current);
  const rev = asNumberOrNull(current.rev);
  return {
    code: asText(error.code) || 'internal',
    ja: asText(error.ja),
    en: asText(error.en),
    retry: error.retry === true,
    current: rev === null ? null : { rev, data: current.data },
  };
}

/**
 * A command as it leaves; `id` is its idempotency key, so a repeat after a reconnect has no second effect.
 */
export interface Command {
  type: string;
  id: string;
  call?: string;
  rev?: number;
  data: Json;
}

export function commandFrame(command: Command): string {
  return JSON.stringify({ v: 1, kind: 'command', ...command });
}

/**
 * Cumulative "received": names no event, so that it can never be taken for a `render` or `read`
 * acknowledgement.
 */
export function seqAckFrame(position: StreamPosition): string {
  const data = { stream: position.stream, epoch: position.epoch, seq: position.seq };
  return JSON.stringify({ v: 1, kind: 'ack', replies_to: [], data });
}

/**
 * One event has been painted. `visibility` is told because a page in the background is laid out but not seen.
 */
export function renderAckFrame(ack: RenderAck, renderedAt: string, visibility: string): string {
  const data = { stream: ack.stream, seq: ack.seq, rendered_at: renderedAt, visibility };
  return JSON.stringify({ v: 1, kind: 'ack', replies_to: [ack.id], data });
}

export interface RenderAck {
  id: string;
  stream: string | null;
  seq: number | null;
}

export function pongFrame(ping: PingFrame): string {
  return JSON.stringify({ v: 1, kind: 'pong', data: ping.data });
}

export interface Hello {
  tab: string;
  language: string;
  visibility: string;
  resume: StreamPosition[];
}

export function helloFrame(hello: Hello): string {
  const data = { client: 'toritsugi-web/0.1', ...hello, features: ['render-ack', 'lead'] };
  return JSON.stringify({ v: 1, kind: 'hello', data });
}
