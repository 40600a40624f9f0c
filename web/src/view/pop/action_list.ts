import type { DeskClient } from '../../hub/client';
import type { Pop, PopPhase } from '../../state/model';
import { hasComplaint } from '../../state/selectors';

/** The actions this page can carry out. One that the server names but this page cannot do is not shown. */
export type ActionName = 'take' | 'assist' | 'park' | 'decline' | 'finish';

export interface Action {
  name: ActionName;
  key: string;
  primary: boolean;
}

interface Known {
  name: ActionName;
  key: string;
  phases: readonly PopPhase[];
  /** Null for what follows from the state and needs no permission of the offer. */
  permission: string | null;
}

const KNOWN: readonly Known[] = [
  { name: 'take', key: 'Enter', phases: ['offered', 'claimed'], permission: 'take' },
  { name: 'assist', key: 'F6', phases: ['offered', 'claimed', 'taken'], permission: 'assist' },
  { name: 'park', key: 'F8', phases: ['offered', 'claimed'], permission: 'park' },
  { name: 'decline', key: 'F3', phases: ['offered', 'claimed'], permission: 'decline' },
  { name: 'finish', key: 'F4', phases: ['wrapup'], permission: null },
];

/** The row of buttons for this card. With a complaint the first one hands over to a manager (M014). */
export function actionsFor(pop: Pop): Action[] {
  const allowed = KNOWN.filter(
    ({ phases, permission }) =>
      phases.includes(pop.phase) && (permission === null || pop.data.actions.includes(permission)),
  );
  if (hasComplaint(pop) && pop.phase !== 'wrapup') {
    allowed.sort((a, b) => Number(b.name === 'assist') - Number(a.name === 'assist'));
  }
  return allowed.map(({ name, key }, index) => ({ name, key, primary: index === 0 }));
}

/**
 * Reasons to decline; with a complaint, leaving it to the owner or a manager is the expected one and comes
 * first.
 */
export function declineReasons(pop: Pop): string[] {
  return hasComplaint(pop)
    ? ['policy_complaint', 'busy', 'wrong_skill']
    : ['busy', 'wrong_skill', 'policy_complaint'];
}

const COMMANDS = {
  take: 'pop.take',
  assist: 'assist.request',
  park: 'call.park',
  finish: 'wrapup.finish',
} as const;

/** Sends the command of an action that needs no further question; `decline` asks for its reason first. */
export function sendAction(desk: DeskClient, pop: Pop, name: Exclude<ActionName, 'decline'>): void {
  desk.popCommand(COMMANDS[name], pop);
}

export function commandOf(name: ActionName): string {
  return name === 'decline' ? 'pop.decline' : COMMANDS[name];
}
