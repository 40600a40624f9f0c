/** Longest wait between two tries, in milliseconds. */
export const CAP_MS = 15_000;
const BASE_MS = 500;

/**
 * Wait before try number `attempt` (0 = the first after a loss): at once, then 0.5 s·2ⁿ with full jitter, cap
 * 15 s (`pop-protocol.md`, Reconnect). `random` is in [0, 1).
 */
export function backoffMs(attempt: number, random: number): number {
  if (attempt <= 0) return 0;
  const ceiling = Math.min(CAP_MS, BASE_MS * 2 ** (attempt - 1));
  return Math.floor(random * ceiling);
}

export type AfterClose =
  | { then: 'retry'; minimumMs: number }
  | { then: 'stop'; why: 'signed_out' | 'forbidden' | 'version' | 'superseded' };

/** What a close code asks of the client. */
export function afterClose(code: number, reason: string): AfterClose {
  switch (code) {
    case 4401:
      return { then: 'stop', why: 'signed_out' };
    case 4403:
      return { then: 'stop', why: 'forbidden' };
    case 4406:
      return { then: 'stop', why: 'version' };
    case 4409:
      return { then: 'stop', why: 'superseded' };
    case 4429:
      return { then: 'retry', minimumMs: 5_000 };
    case 4512:
      return { then: 'retry', minimumMs: drainMs(reason) };
    default:
      return { then: 'retry', minimumMs: 0 };
  }
}

function drainMs(reason: string): number {
  try {
    const told = (JSON.parse(reason) as { retry_ms?: unknown }).retry_ms;
    if (typeof told === 'number' && told >= 0) return Math.min(told, CAP_MS);
  } catch {
    // A drain without a time: the server is about to be back, one second spreads the clients enough.
  }
  return 1_000;
}
