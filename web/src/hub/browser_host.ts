import type { SocketLike } from '../link/socket_link';
import { newUlid } from '../link/ulid';
import { SUBPROTOCOL } from '../protocol/frames';
import type { HubHost } from './hub';

/** The hub's hands in a browser; the same in a worker and in a page. */
export function browserHost(origin: string): HubHost {
  const url = `${origin.replace(/^http/, 'ws')}/ws/v1`;
  return {
    openSocket: () => new WebSocket(url, SUBPROTOCOL) as unknown as SocketLike,
    sessionHolds: async () => {
      try {
        const response = await fetch(`${origin}/api/v1/sessions/current`, { credentials: 'same-origin' });
        return response.status !== 401;
      } catch {
        // The server is not there: that says nothing about the session.
        return true;
      }
    },
    now: () => Date.now(),
    random: () => Math.random(),
    setTimer: (run, ms) => setTimeout(run, ms) as unknown as number,
    clearTimer: (timer) => clearTimeout(timer),
    newId: newUlid,
  };
}
