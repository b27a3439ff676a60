// Writes patterns.json: 10,000 lines [PATTERN, ROUTE], where PATTERN is the JSON text of a message
// pattern and ROUTE what NestJS makes of it (transformPatternToRoute). Deterministic.
//
//   node make-patterns.mjs [VERSION_DIR]      (default v12)
//
// Objects of two and more keys only have keys of printable ASCII: their order is the collation that
// collation.mjs spells out. Objects of one key may have any key.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { HERE, importerFor, versionDir } from './lib.mjs';
import { ORDER, random, requireDefaultLocale, verify } from './collation.mjs';

requireDefaultLocale();
const COUNT = 10_000;
const below = random(20_260);
const one = (list) => list[below(list.length)];
const chance = (percent) => below(100) < percent;

// ---- texts --------------------------------------------------------------------------------------

const PLAIN = 'abcdefghijklmnopqrstuvwxyz';
const WORDS = ['cmd', 'user', 'created', 'sum', 'orders', 'get', 'id', 'type', 'v1', 'Math', 'userId'];
const AWKWARD = [
  '"', '\\', '\\"', '\\\\', '\n', '\r\n', '\t', '\b', '\f', '\0', '\x1f', '\x7f', '/', "'", '{', '}',
  '[', ']', ':', ',', ' ', 'é', 'e\u0301', 'ß', 'İ', 'ﬁ', '漢', '字', '한', 'ع', '\u200b', '\u2028',
  '\ufeff', '\uffff', '😀', '👩‍👧', '𝒳', '\u{10ffff}',
];
const SURROGATES = ['\ud83d', '\ude00', '\ud83d\ud83d', '\ude00\ud83d'];

const characters = (alphabet, length) =>
  Array.from({ length }, () => alphabet[below(alphabet.length)]).join('');
const pieces = (list, count) => Array.from({ length: count }, () => one(list)).join('');

let surrogates = 0; // how many more entries may get a lone surrogate: set for each entry
function text() {
  if (surrogates > 0 && chance(50)) {
    surrogates -= 1;
    return characters(PLAIN, below(3)) + one(SURROGATES) + one(['', 'x', 'é', '😀']);
  }
  switch (below(10)) {
    case 0:
      return '';
    case 1:
    case 2:
      return Array.from({ length: 1 + below(3) }, () => one(WORDS)).join(one(['.', '_', '-', '/']));
    case 3:
      return pieces(AWKWARD, 1 + below(4));
    case 4:
      return characters(PLAIN, below(4)) + pieces(AWKWARD, 1 + below(2)) + characters(PLAIN, below(4));
    case 5:
      return one(['5', '007', '1.0', '1e3', 'true', 'null', '{}', '[1]', '{"a":1}', '"q"', '*', '>', '#']);
    case 6:
      return characters(ORDER, 1 + below(12));
    default:
      return characters(PLAIN, 1 + below(8));
  }
}

/** A key that may stand beside others: printable ASCII only. */
function plainKey() {
  switch (below(9)) {
    case 0:
      return one(WORDS);
    case 1:
      return characters(ORDER, below(3));
    case 2:
      return characters(ORDER, 1 + below(8));
    case 3:
      return characters('aAbB', 1 + below(4));
    case 4:
      return characters('aA_-.1 ', 1 + below(4));
    case 5:
      return String(one([below(12), below(1000), 4294967294, 4294967295, 9007199254740993n]));
    case 6:
      return one(['01', '1.5', '-1', '+1', '1e3', '00', 'NaN']);
    case 7:
      return one(['', '__proto__', 'constructor', 'toString', 'hasOwnProperty', 'length', '"', '\\', '\\"']);
    default:
      return characters(PLAIN, 1 + below(6));
  }
}

const anyKey = () => (chance(40) ? text() : plainKey());

// ---- JSON text, spelled in many ways ------------------------------------------------------------

function spelledText(value) {
  if (!chance(10)) return JSON.stringify(value);
  const units = Array.from({ length: value.length }, (_, i) => value.charCodeAt(i));
  return `"${units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('')}"`;
}

const NUMBERS = [
  '0', '-0', '0.0', '-0.0', '0e0', '1', '-1', '1.0', '1.50', '10e-1', '1e0', '1E3', '1e+3', '-1e-3',
  '1e20', '1e21', '-1e21', '1E22', '123456789012345678901234567890', '999999999999999999999',
  '1e-6', '1e-7', '0.000001', '0.0000001', '-1.5e-10', '5e-324', '-5e-324', '2e-324', '1e-400',
  '2.2250738585072014e-308', '1.7976931348623157e308', '-1.7976931348623157e+308', '0.1', '0.2',
  '0.30000000000000004', '9007199254740991', '9007199254740992', '9007199254740993',
  '-9007199254740993', '2147483647', '4294967296', '9223372036854775807', '-9223372036854775808',
  '9223372036854775808', '18446744073709551615', '18446744073709551616', '12345678901234567890',
  '-12345678901234567890', '100000000000000000000', '1.7976931348623155e308', '4.35', '0.000035',
  '123456789.123456789', '1e15', '1e16', '1e17', '123e-20', '4.9406564584124654e-324',
  '1.00000000000000011102230246251565404236316680908203125', '72057594037927945', '5e20', '5e21',
];
const bits = new DataView(new ArrayBuffer(8));
function number() {
  switch (below(6)) {
    case 0:
    case 1:
      return one(NUMBERS);
    case 2:
      return String(below(2001) - 1000);
    case 3:
      return `${below(2) ? '-' : ''}${1 + below(9)}${characters('0123456789', below(24))}`;
    case 4:
      return `${below(100)}.${characters('0123456789', 1 + below(18))}e${below(60) - 30}`;
    default:
      bits.setUint32(0, below(2 ** 32));
      bits.setUint32(4, below(2 ** 32));
      return Number.isFinite(bits.getFloat64(0)) ? JSON.stringify(bits.getFloat64(0)) : number();
  }
}

/** The JSON text of something to stand in an object, with at most `depth` levels inside. */
function member(depth) {
  const kind = below(depth > 0 ? 10 : 7);
  if (kind < 3) return spelledText(text());
  if (kind < 5) return number();
  if (kind === 5) return one(['true', 'false', 'null']);
  if (kind === 6) return one(['{}', '[]', '""', '0', 'null']);
  return kind === 9 ? array(depth, below(5)) : object(depth, 1 + below(4));
}

function withSpace(open, members, close) {
  if (!chance(8)) return open + members.join(',') + close;
  const space = () => one(['', ' ', '\n', '\t', '\r\n  ']);
  return space() + open + space() + members.join(space() + ',' + space()) + space() + close + space();
}

const array = (depth, size) =>
  withSpace('[', Array.from({ length: size }, () => member(depth - 1)), ']');

/** `keys` are used as they come; a repeated one is repeated in the JSON text (the last one counts). */
function objectOf(keys, depth) {
  return withSpace('{', keys.map((key) => `${spelledText(key)}:${member(depth - 1)}`), '}');
}

function object(depth, size) {
  if (size === 1) return objectOf([anyKey()], depth);
  const keys = new Set();
  while (keys.size < size) keys.add(plainKey());
  if (chance(15)) {
    // A key, what it is a prefix of, and the same in another case.
    const stem = one([...keys]);
    keys.add(stem + characters(ORDER, 1 + below(2)));
    keys.add(stem.toUpperCase());
    keys.add(stem.toLowerCase());
  }
  return objectOf(chance(4) ? [...keys, one([...keys])] : [...keys], depth);
}

const wide = (size) => objectOf(Array.from({ length: size }, (_, i) => characters(PLAIN, 2) + i), 0);

function tower(levels) {
  let inner = member(1);
  for (let level = 0; level < levels; level += 1) {
    if (chance(25)) inner = `[${inner}]`;
    else if (chance(30)) inner = `{"a":${number()},${spelledText(one(WORDS))}:${inner}}`;
    else inner = `{${spelledText(anyKey())}:${inner}}`;
  }
  return inner;
}

function pattern() {
  const kind = below(100);
  if (kind < 8) return spelledText(text());
  if (kind < 14) return number();
  if (kind < 20) return array(3, below(14));
  if (kind < 23) return array(0, 15 + below(10));
  if (kind < 26) return wide(18 + below(6));
  if (kind < 28) return `{"m":${chance(50) ? wide(19 + below(4)) : array(0, 19 + below(4))},"n":1}`;
  if (kind < 38) return tower(3 + below(7));
  if (kind < 55) return object(1, 2 + below(8));
  if (kind < 60) return object(1, 10 + below(11));
  if (kind < 63) return object(2, 1);
  return object(3, 1 + below(5));
}

// ---- the fixture --------------------------------------------------------------------------------

const FIRST = [
  '"user.created"', '5', '{"cmd":"sum"}', '{"b":1,"a":{"d":2,"c":3}}', '{"a":{"c":3,"d":2},"b":1}',
  '{}', '[]', '{"a":{}}', '{"a":[]}', '["a","b"]', '{"a":[1,"x"]}', '{"a":null,"b":true,"c":false}',
  '""', '"5"', '"{\\"a\\":1}"', '{"a":"say \\"hi\\""}', '{"a":"back\\\\slash"}', '{"a":"two\\nlines"}',
  '{"a\\"b":1}', '{"a\\\\b":1}', '{"":1}', '{"":{"":""}}', '{"a":1,"":2}', '{"__proto__":1,"a":2}',
  '{"a":1,"A":2}', '{"A":1,"a":2}', '{"ab":1,"Aa":2}', '{"AB":1,"aB":2,"Ab":3,"ab":4}',
  '{"a9":1,"a10":2,"a_b":3,"a-b":4,"a.b":5,"ab":6,"aB":7,"a b":8,"a":9}',
  '{"2":1,"10":2,"1":3,"01":4}', '[0,1,2,3,4,5,6,7,8,9,10,11]', '{"a":1,"a":2}',
  '{"userId":1,"userid":2,"user_id":3,"user-id":4,"user id":5,"user.id":6,"user":7,"USER":8}',
  '{"a":{"a":{"a":{"a":{"a":{"a":{"a":1}}}}}}}', '{"a":{"a":{"a":{"a":{"a":{"a":1}}}}}}',
  '{"a":{"a":{"a":{"a":{"a":{"a":{}}}}}}}', '{"a":{"a":{"a":{"a":{"a":{}}}}}}', '[[[[[[[[1]]]]]]]]',
  '[[[[[[["deep"]]]]]]]', '{"é":1}', '{"漢":"字"}', '{"😀":"😀"}', '"😀"', '"\\ud83d"', '{"\\ud83d":1}',
  '{"a":"\\ud83d"}', '{"a":"\\ud83d\\ude00"}', '"\\ude00\\ud83d"', '{"\\u0001":1}', '{"a":"\\u0000"}',
  ...NUMBERS, ...NUMBERS.map((spelled) => `{"n":${spelled}}`),
  `{${[...ORDER].slice(0, 20).reverse().map((key, i) => `${JSON.stringify(key)}:${i}`).join(',')}}`,
  `{${[...ORDER].slice(20, 40).reverse().map((key, i) => `${JSON.stringify(key)}:${i}`).join(',')}}`,
  `{${[...ORDER].slice(40, 60).reverse().map((key, i) => `${JSON.stringify(key)}:${i}`).join(',')}}`,
  `{${[...ORDER].slice(60, 80).reverse().map((key, i) => `${JSON.stringify(key)}:${i}`).join(',')}}`,
  `{${[...ORDER].slice(75, 95).reverse().map((key, i) => `${JSON.stringify(key)}:${i}`).join(',')}}`,
];

const from = importerFor(versionDir(process.argv[2] ?? 'v12'));
await from('reflect-metadata');
const utils = await from('@nestjs/microservices/utils/transform-pattern.utils');

/** What the fixture promises: see above; and no number too large for a double. */
function checkPromises(value) {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new Error('an infinite number');
  if (!value || typeof value !== 'object') return;
  const keys = Object.keys(value);
  if (keys.length > 1 && !keys.every((key) => /^[\x20-\x7e]*$/.test(key))) {
    throw new Error(`keys that need more than the printable ASCII collation: ${keys}`);
  }
  keys.forEach((key) => checkPromises(value[key]));
}

const entries = new Map();
function add(json) {
  if (entries.has(json) || json.length > 350) return;
  const parsed = JSON.parse(json);
  checkPromises(parsed);
  const route = utils.transformPatternToRoute(parsed);
  if (typeof route !== 'string') throw new Error(`not a route: ${json}`);
  entries.set(json, route);
}

FIRST.forEach(add);
while (entries.size < COUNT) {
  surrogates = chance(2) ? 1 : 0;
  add(pattern());
}

// Pure ASCII, so that no editor or line counter trips over U+2028 and its like.
const escaped = (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
const lines = [...entries].map((entry) => JSON.stringify(entry).replace(/[\x7f-\uffff]/g, escaped));
const content = `[\n${lines.join(',\n')}\n]\n`;
writeFileSync(join(HERE, 'patterns.json'), content);

const routes = [...entries.values()];
const tally = (name, test) => `${routes.filter(test).length} ${name}`;
console.log(`patterns.json: ${lines.length} entries, ${Buffer.byteLength(content)} bytes`);
console.log(
  [
    tally('routes with a lone surrogate', (route) => !route.isWellFormed()),
    tally('with [MAX_DEPTH_REACHED]', (route) => route.includes('[MAX_DEPTH_REACHED]')),
    tally('with [TOO_MANY_KEYS]', (route) => route.includes('[TOO_MANY_KEYS]')),
  ].join(', '),
);
const { pairs, mismatches, ties } = verify(1_000_000, { exhaustive: false });
console.log(
  `localeCompare against the order of collation.mjs: ${pairs} pairs of printable ASCII texts, ` +
    `${mismatches} mismatches, ${ties} ties of unequal texts`,
);
