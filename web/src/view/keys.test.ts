import { describe, expect, it } from 'vitest';
import { CARD, offered } from '../state/fixture';
import { parsePop } from '../protocol/parse';
import { type KeyPress, isOurs } from './keys';
import { actionsFor, declineReasons } from './pop/action_list';

const PRESS: KeyPress = {
  key: 'Enter',
  isComposing: false,
  keyCode: 13,
  repeat: false,
  modified: false,
  focus: 'free',
};

describe('keys', () => {
  it.each([
    ['Enter', 'free', true],
    ['Enter', 'control', false],
    ['Enter', 'editing', false],
    ['F2', 'editing', true],
    ['F4', 'control', true],
    ['1', 'free', true],
    ['1', 'control', true],
    ['1', 'editing', false],
  ] as const)('%s with the focus %s: %s', (key, focus, ours) => {
    expect(isOurs({ ...PRESS, key, focus })).toBe(ours);
  });

  it.each([{ isComposing: true }, { keyCode: 229 }, { repeat: true }, { modified: true }])(
    'are left alone with %j',
    (how) => {
      for (const key of ['Enter', 'F2', '1']) expect(isOurs({ ...PRESS, key, ...how })).toBe(false);
    },
  );
});

describe('actions', () => {
  const pop = offered().pops['c-1'];
  if (pop === undefined) throw new Error('no card');
  const withData = (data: object) => ({ ...pop, data: parsePop({ ...CARD, ...data }) });

  it('are those the server allows and the page can do', () => {
    const everything = withData({ actions: ['take', 'transfer', 'callback', 'hold', 'novel', 'decline'] });
    expect(actionsFor(everything).map((action) => action.name)).toEqual(['take', 'decline']);
    expect(actionsFor(withData({ actions: [] }))).toEqual([]);
  });

  it('follow the course of the call', () => {
    const allowed = withData({ actions: ['take', 'assist', 'park', 'decline'] });
    expect(actionsFor(allowed).map((action) => action.key)).toEqual(['Enter', 'F6', 'F8', 'F3']);
    // A call that was answered is parked on the phone.
    expect(actionsFor({ ...allowed, phase: 'taken' }).map((action) => action.key)).toEqual(['F6']);
    expect(actionsFor({ ...allowed, phase: 'wrapup' }).map((action) => action.key)).toEqual(['F4']);
  });

  it('m014_with_a_complaint_the_first_is_to_hand_over', () => {
    const complaint = withData({
      actions: ['take', 'assist', 'decline'],
      flags: [{ code: 'complaint', level: 2 }],
    });
    const actions = actionsFor(complaint);
    expect(actions.map((action) => action.name)).toEqual(['assist', 'take', 'decline']);
    expect(actions.map((action) => action.primary)).toEqual([true, false, false]);
    expect(declineReasons(complaint)[0]).toBe('policy_complaint');
  });
});
