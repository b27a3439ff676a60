// How NestJS orders the keys of an object pattern: String.prototype.localeCompare, which in Node's
// default locale (en-US) means the root collation of ICU. compareAscii is that order for texts of
// printable ASCII, written out by hand; run as a program, this file checks it against localeCompare.
//
//   node collation.mjs [RANDOM_PAIRS]      (default 3,000,000)

import { fileURLToPath } from 'node:url';

/** Every printable ASCII character, in collation order. A letter's two cases stand side by side. */
export const ORDER =
  ' _-,;:!?.\'"()[]{}@*/\\&#%`^+<=>|~$0123456789aAbBcCdDeEfFgGhHiIjJkKlLmMnNoOpPqQrRsStTuUvVwWxXyYzZ';

const isUpper = (char) => char >= 'A' && char <= 'Z';

/** Primary weight: the place in ORDER, where both cases of a letter count as one. */
const primary = (char) => ORDER.indexOf(isUpper(char) ? char.toLowerCase() : char);

/**
 * 1. The first position whose characters differ in primary weight decides.
 * 2. Without one, the shorter text comes first (its weights are a prefix of the other's).
 * 3. The texts now differ in case only: at the first position that differs, lowercase comes first.
 */
export function compareAscii(a, b) {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i += 1) {
    const difference = primary(a[i]) - primary(b[i]);
    if (difference !== 0) return Math.sign(difference);
  }
  if (a.length !== b.length) return Math.sign(a.length - b.length);
  for (let i = 0; i < a.length; i += 1) {
    if (a[i] !== b[i]) return isUpper(a[i]) ? 1 : -1;
  }
  return 0;
}

/** mulberry32: a whole number below `limit` at each call. */
export function random(seed) {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % limit;
  };
}

/** Fails unless this process sorts as the fixture needs it. */
export function requireDefaultLocale() {
  const { locale } = new Intl.Collator().resolvedOptions();
  if (locale !== 'en-US') throw new Error(`run this with LC_ALL=C, not under the locale ${locale}`);
}

function changed(text, below) {
  const chars = [...text];
  for (let edits = below(3) + 1; edits > 0; edits -= 1) {
    const at = below(chars.length + 1);
    const other = ORDER[below(ORDER.length)];
    switch (below(4)) {
      case 0:
        chars.splice(at, 1);
        break;
      case 1:
        chars.splice(at, 0, other);
        break;
      case 2:
        chars[Math.min(at, chars.length)] = other;
        break;
      default: {
        const char = chars[at];
        if (char) chars[at] = isUpper(char) ? char.toLowerCase() : char.toUpperCase();
      }
    }
  }
  return chars.join('');
}

/**
 * Compares all pairs of texts of up to two characters, and random pairs of longer ones, most of them
 * near each other. Gives the number of pairs, of disagreements, and of ties between unequal texts.
 */
export function verify(randomPairs, { exhaustive = true } = {}) {
  requireDefaultLocale();
  const result = { pairs: 0, mismatches: 0, ties: 0 };
  const one = (a, b) => {
    const real = Math.sign(a.localeCompare(b));
    result.pairs += 1;
    if (real !== compareAscii(a, b)) {
      result.mismatches += 1;
      if (result.mismatches <= 10) console.error('mismatch', JSON.stringify([a, b]), real);
    }
    if (real === 0 && a !== b) result.ties += 1;
  };

  if (exhaustive) {
    const short = [''];
    for (const x of ORDER) short.push(x, ...[...ORDER].map((y) => x + y));
    for (const a of short) for (const b of short) one(a, b);
  }
  const below = random(95);
  const alphabets = [ORDER, 'aAbB', 'aA_-. 1', 'zZyY09$~', "'-a A", 'abcdefghijklmnopqrstuvwxyzCHLJNSDZ'];
  const text = (alphabet) =>
    Array.from({ length: below(13) }, () => alphabet[below(alphabet.length)]).join('');
  for (let i = 0; i < randomPairs; i += 1) {
    const alphabet = alphabets[below(alphabets.length)];
    const a = text(alphabet);
    one(a, below(3) === 0 ? text(alphabet) : changed(a, below));
  }
  return result;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { pairs, mismatches, ties } = verify(Number(process.argv[2] ?? 3_000_000));
  console.log(`${pairs} pairs compared, ${mismatches} mismatches, ${ties} ties of unequal texts`);
  process.exitCode = mismatches === 0 && ties === 0 ? 0 : 1;
}
