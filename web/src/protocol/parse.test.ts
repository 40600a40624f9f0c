import { describe, expect, it } from 'vitest';
import { parseFrame } from './frames';
import { EMPTY_POP, parsePop, parsePopMembers } from './parse';

describe('pop payload', () => {
  it.each([null, undefined, 7, 'text', [], {}])('is a card even when it is %j', (wire) => {
    expect(parsePop(wire)).toEqual(EMPTY_POP);
  });

  it('has no number for a restricted caller, even if one was sent', () => {
    const { caller } = parsePop({
      caller: {
        presentation: 'withheld',
        e164: '+819012345678',
        national: '090-1234-5678',
        name: 'x',
        label_ja: '非通知',
      },
    });
    expect(caller).toMatchObject({ presentation: 'withheld', e164: null, national: null, displayName: null });
    expect(caller.label.ja).toBe('非通知');
  });

  it.each(['number', 'withheld', 'payphone', 'out_of_area', 'service_conflict', 'error'])(
    'knows the state %s',
    (state) => {
      expect(parsePop({ caller: { presentation: state } }).caller.presentation).toBe(state);
    },
  );

  it('keeps members apart that were not sent', () => {
    expect(Object.keys(parsePopMembers({ flags: [], surprise: 1 }))).toEqual(['flags']);
    expect(parsePopMembers({ assignee: null })).toEqual({ assignee: null });
  });

  it('keeps the spoken reason as text and as a pair of languages', () => {
    expect(parsePop({ assignee: { spoken: '席を外しております' } }).assignee?.spoken).toEqual({
      ja: '席を外しております',
    });
    const pair = { ja: '外出', en: 'out' };
    expect(parsePop({ assignee: { spoken: pair } }).assignee?.spoken).toEqual(pair);
  });

  it('m008_keeps_the_three_steps_in_their_order', () => {
    const ids = ['explain_absence', 'offer_help', 'propose_callback'];
    const steps = ids.map((id) => ({
      id,
      ja: 'x',
      ...(id === 'propose_callback' ? { locked: 'approval_required' } : {}),
    }));
    const { guidance } = parsePop({ guidance: { greeting: { ja: 'a' }, steps } });
    expect(guidance.steps.map((step) => step.id)).toEqual(ids);
    expect(guidance.steps.map((step) => step.locked)).toEqual([null, null, 'approval_required']);
  });
});

describe('frame', () => {
  it.each(['', 'not json', '[]', '{"kind":"event"}', '{"kind":"novel"}', 'null'])(
    'that is %j is none',
    (text) => {
      expect(parseFrame(text)).toBeNull();
    },
  );

  it('reads an event with its numbers', () => {
    const text =
      '{"v":1,"kind":"event","type":"pop.offered","id":"01","stream":"agent:a","epoch":"b","seq":2,"rev":1,' +
      '"call":"c","ack":"render","replay":true,"data":{"x":1}}';
    expect(parseFrame(text)).toMatchObject({
      kind: 'event',
      seq: 2,
      rev: 1,
      ack: 'render',
      replay: true,
      data: { x: 1 },
    });
  });

  it('reads a refusal with its code, and one without a code as internal', () => {
    expect(parseFrame('{"kind":"reply","replies_to":"1","ok":false,"error":{"code":"gone"}}')).toMatchObject({
      error: { code: 'gone' },
    });
    expect(parseFrame('{"kind":"reply","replies_to":"1","ok":false}')).toMatchObject({
      error: { code: 'internal' },
    });
    expect(parseFrame('{"kind":"reply","replies_to":"1","ok":true,"data":{"rev":3}}')).toMatchObject({
      error: null,
    });
  });
});
