import type { Json } from '../protocol/value';
import type { State } from '../state/model';

/** From a tab to the hub. */
export type ToHub =
  | { type: 'attach'; tab: string; language: string; visible: boolean }
  | { type: 'start'; session: string }
  | { type: 'command'; id: string; command: string; call?: string; rev?: number; data: Json }
  | { type: 'rendered'; id: string; visibility: string }
  | { type: 'visibility'; visible: boolean }
  | { type: 'focus' }
  | { type: 'nudge' }
  | { type: 'reconnect' }
  | { type: 'dismiss'; id: string }
  | { type: 'stop' }
  | { type: 'bye' };

/** From the hub to a tab: the whole state, so that two tabs cannot differ. */
export type FromHub = { type: 'state'; state: State; sounds: boolean } | { type: 'signed_out' };
