// Readers of single JSON values. Whatever the wire says, they give back the type they promise: a card with
// one odd member is still a card (promise 1: a call is never lost because a screen-pop dependency failed).

export type Json = Record<string, unknown>;

export function asObject(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

export function asList(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

export function asText(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'number' ? String(value) : '';
}

/** Empty and missing are the same to a reader of the card. */
export function asTextOrNull(value: unknown): string | null {
  const text = asText(value);
  return text === '' ? null : text;
}

export function asNumberOrNull(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

export function asNumber(value: unknown, otherwise: number): number {
  return asNumberOrNull(value) ?? otherwise;
}

/** RFC 3339 text to milliseconds since 1970; null when it is not a time. */
export function asTime(value: unknown): number | null {
  if (typeof value !== 'string') return null;
  const ms = Date.parse(value);
  return Number.isNaN(ms) ? null : ms;
}
