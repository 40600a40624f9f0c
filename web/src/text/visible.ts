/** Longest text of a caller or a record that is shown in one place, in characters. */
export const SHOWN_LENGTH = 128;

// U+061C, U+200E/F, U+202A–202E, U+2066–2069: they reorder what stands around them, so one name could hide
// another.
const BIDI = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu;
// Controls of C0 and C1, and the separators that a browser may break a line at.
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/gu;
// Nothing to see, and good only for making two equal-looking names differ. U+200D stays: emoji need it.
const ZERO_WIDTH = /[\u200b\u200c\u2060\ufeff\u00ad]+/gu;
// More combining marks than any writing system stacks; variation selectors of kanji (U+E0100…) come one at a
// time.
const STACKED = /(\p{M}{4})\p{M}+/gu;

/**
 * Text from outside as it may be shown: well-formed, without controls, with bidi controls made visible, at
 * most `limit` characters. It is still only ever a text node; this is about honesty of display, not about
 * markup.
 */
export function visible(text: string, limit: number = SHOWN_LENGTH): string {
  // Cut roughly first: the patterns need not walk through a megabyte that will not be shown.
  const head = text.slice(0, limit * 8).toWellFormed();
  const clean = head
    .replace(BIDI, '\ufffd')
    .replace(CONTROL, ' ')
    .replace(ZERO_WIDTH, '')
    .replace(STACKED, '$1')
    .trim();
  const characters = Array.from(clean);
  return characters.length > limit ? `${characters.slice(0, limit - 1).join('')}…` : clean;
}
