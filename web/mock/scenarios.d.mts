export interface Card {
  caller: Record<string, unknown>;
  match: { level: string; count: number; customer: Record<string, unknown> | null; candidates: object[] };
  notices: Record<string, unknown>[];
  contacts: Record<string, unknown>[];
  [member: string]: unknown;
}

export function known(): Card;
export function english(): Card;
export function several(): Card;
export function unknown(): Card;
export function restricted(presentation?: string): Card;
export function degraded(): Card;
