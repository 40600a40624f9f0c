// Readings in Latin letters, for people who work in English: Hepburn with long vowels unmarked, as in
// passports and in the English lines of the script, so that the card and the script say the same name.

const ROWS: Record<string, string> = {
  アイウエオ: 'a i u e o',
  カキクケコ: 'ka ki ku ke ko',
  ガギグゲゴ: 'ga gi gu ge go',
  サシスセソ: 'sa shi su se so',
  ザジズゼゾ: 'za ji zu ze zo',
  タチツテト: 'ta chi tsu te to',
  ダヂヅデド: 'da ji zu de do',
  ナニヌネノ: 'na ni nu ne no',
  ハヒフヘホ: 'ha hi fu he ho',
  バビブベボ: 'ba bi bu be bo',
  パピプペポ: 'pa pi pu pe po',
  マミムメモ: 'ma mi mu me mo',
  ヤユヨ: 'ya yu yo',
  ラリルレロ: 'ra ri ru re ro',
  ワヲヴ: 'wa o vu',
};

const SYLLABLES = new Map(
  Object.entries(ROWS).flatMap(([kana, latin]) => {
    const sounds = latin.split(' ');
    return [...kana].map((one, index): [string, string] => [one, sounds[index] ?? '']);
  }),
);

/** What a small kana makes of the syllable before it; null where the pair is not one sound. */
function joined(sound: string, small: string): string | null {
  const vowel = { ャ: 'a', ュ: 'u', ョ: 'o', ァ: 'a', ィ: 'i', ェ: 'e', ォ: 'o' }[small];
  if (vowel === undefined) return null;
  if ('ャュョ'.includes(small)) {
    if (/^(sh|ch|j)i$/.test(sound)) return sound.slice(0, -1) + vowel;
    return sound.endsWith('i') || sound === 'de' ? `${sound.slice(0, -1)}y${vowel}` : null;
  }
  if (sound === 'u') return `w${vowel}`;
  return /^(fu|vu|te|de|shi|ji|chi)$/.test(sound) ? sound.slice(0, -1) + vowel : null;
}

/** `ヤマダ ハナコ` is `Yamada Hanako`; null when the reading holds anything but katakana and spaces. */
export function romanised(reading: string): string | null {
  const words = reading.normalize('NFKC').trim().split(/[\s・]+/u).map(word);
  if (words.some((one) => one === null || one === '')) return null;
  return words.map((one) => (one ?? '').replace(/^./, (first) => first.toUpperCase())).join(' ');
}

function word(kana: string): string | null {
  let latin = '';
  let doubled = false;
  const letters = [...kana];
  for (let index = 0; index < letters.length; index += 1) {
    const letter = letters[index] ?? '';
    const next = letters[index + 1] ?? '';
    if (letter === 'ッ') doubled = true;
    else if (letter === 'ン') latin += /[バ-ポマ-モ]/.test(next) ? 'm' : 'n';
    else if (letter !== 'ー' && !lengthens(latin, letter, next)) {
      const alone = SYLLABLES.get(letter);
      if (alone === undefined) return null;
      const pair = joined(alone, next);
      if (pair !== null) index += 1;
      const sound = pair ?? alone;
      latin += (doubled ? (sound.startsWith('ch') ? 't' : sound.charAt(0)) : '') + sound;
      doubled = false;
    }
  }
  return latin;
}

/** ウ after o or u and オ after o only lengthen, but not where a new syllable begins: イノウエ is Inoue. */
function lengthens(before: string, letter: string, next: string): boolean {
  if (letter === 'オ') return before.endsWith('o');
  return letter === 'ウ' && next !== 'エ' && /(o|yu|shu|ju|chu)$/.test(before);
}
