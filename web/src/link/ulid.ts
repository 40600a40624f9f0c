const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** A ULID: 48 bits of time and 80 of chance, so that command ids sort by time and never collide. */
export function ulid(now: number, random: Uint8Array): string {
  let time = '';
  for (let rest = now, digit = 0; digit < 10; digit += 1) {
    time = ALPHABET.charAt(rest % 32) + time;
    rest = Math.floor(rest / 32);
  }
  let chance = '';
  for (let digit = 0; digit < 16; digit += 1) chance += ALPHABET.charAt((random[digit] ?? 0) % 32);
  return time + chance;
}

export function newUlid(): string {
  return ulid(Date.now(), crypto.getRandomValues(new Uint8Array(16)));
}
