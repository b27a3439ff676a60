// Runs every case of the interop contract (see README.md) against a server with a real NestJS client.
//
//   node client.mjs VERSION_DIR PORT [--kill] [--no-metadata] [--tls=DIR]
//
// One line of JSON per case, then {"done":true,"cases":N,"failed":K}. Exit code 0 if all passed.
// --kill         adds a last case that prints {"ready":"kill"} and expects the server to go away then
// --no-metadata  the server is one that ignores packet metadata (NestJS 11)
// --tls=DIR      speaks TLS, believes DIR's ca.pem, and shows its cert.pem if there is one

import { isDeepStrictEqual } from 'node:util';
import { loadNest, report, sleep, tlsOptions } from './lib.mjs';

const CASE_TIMEOUT = 5_000;
const KILL_TIMEOUT = 10_000;
const ALL_TIMEOUT = 60_000; // cases still to come then fail without being run

const args = process.argv.slice(2);
const flags = new Set(args.filter((arg) => arg.startsWith('--')));
const [dir, portText] = args.filter((arg) => !arg.startsWith('--'));
const port = Number(portText);
const unknownFlag = [...flags].find(
  (flag) => !['--kill', '--no-metadata'].includes(flag) && !flag.startsWith('--tls='),
);
if (!dir || !Number.isInteger(port) || unknownFlag) {
  console.error('usage: node client.mjs VERSION_DIR PORT [--kill] [--no-metadata] [--tls=DIR]');
  process.exit(2);
}

const { common, microservices, rxjs } = await loadNest(dir);
const { ClientProxyFactory, Transport } = microservices;
const { EmptyError, firstValueFrom, lastValueFrom, take } = rxjs;
common.Logger.overrideLogger(false); // its lines would mix with ours on stdout

const NO_HANDLER = 'There is no matching message handler defined in the remote service.';

const tls = tlsOptions(args);
const newClient = () =>
  ClientProxyFactory.create({ transport: Transport.TCP, options: { host: '127.0.0.1', port, ...tls } });

let client = newClient();
let cases = 0;
let failed = 0;
const begin = performance.now();

// ---- machinery ----------------------------------------------------------------------------------

const MISSING = '(undefined)';

/** Makes any outcome printable: errors become objects, long texts and arrays are cut. */
function printable(value, depth = 0) {
  if (value === undefined) return MISSING;
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (typeof value === 'string' && value.length > 200) {
    return `${value.slice(0, 80)}… (${value.length} units in all)`;
  }
  if (typeof value === 'number' && Object.is(value, -0)) return '-0';
  if (depth > 40) return '…';
  if (Array.isArray(value)) {
    const shown = value.slice(0, 20).map((item) => printable(item, depth + 1));
    return value.length > 20 ? [...shown, `… (${value.length} items in all)`] : shown;
  }
  if (value && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, printable(v, depth + 1)]));
  }
  return value;
}

/** The path to the first place where two values differ, for the ones too long to print. */
function difference(a, b, path = '') {
  if (typeof a === 'string' && typeof b === 'string') {
    let index = 0;
    while (index < a.length && a[index] === b[index]) index += 1;
    return `${path}[${index}]`;
  }
  if (a && b && typeof a === 'object' && typeof b === 'object') {
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
      if (!isDeepStrictEqual(a[key], b[key])) return difference(a[key], b[key], `${path}.${key}`);
    }
  }
  return path;
}

async function within(ms, work) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Runs one case. `expected` is compared with what `run` gives, strictly and in depth; as a function
 * it is called with it instead, and returns true, or a note when there was a choice.
 */
async function check(name, expected, run, { timeout = CASE_TIMEOUT } = {}) {
  cases += 1;
  let got;
  let verdict = false;
  try {
    if (performance.now() - begin > ALL_TIMEOUT) throw new Error('not run, the time is over');
    got = await within(timeout, Promise.resolve().then(run));
    verdict = typeof expected === 'function' ? expected(got) : isDeepStrictEqual(got, expected);
  } catch (error) {
    got = { thrown: error };
  }
  if (verdict) {
    report({ case: name, ok: true, ...(typeof verdict === 'string' && { note: verdict }) });
    return;
  }
  failed += 1;
  const wanted = typeof expected === 'function' ? (expected.says ?? 'see the source') : expected;
  report({
    case: name,
    ok: false,
    expected: printable(wanted),
    got: printable(got),
    at: difference(wanted, got),
  });
  // Nothing left behind by this case may disturb the following ones.
  client.close();
  client = newClient();
}

/** Everything an Observable does: `{values}` and, if it failed, `{error}`. */
function collect(source) {
  return new Promise((done) => {
    const values = [];
    source.subscribe({
      next: (value) => values.push(value),
      error: (error) => done({ values, error }),
      complete: () => done({ values }),
    });
  });
}

const ask = (pattern, data, through = client) => firstValueFrom(through.send(pattern, data));
const tell = (pattern, data) => lastValueFrom(client.emit(pattern, data), { defaultValue: null });
const askAll = (pattern, data, through = client) => collect(through.send(pattern, data));

async function settled(promise) {
  try {
    return { value: await promise };
  } catch (error) {
    return { error };
  }
}

/** mulberry32, so that every run sends the same numbers. */
function randomBits(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  };
}

// ---- requests and payloads ----------------------------------------------------------------------

await check('sum', 6, () => ask({ cmd: 'sum' }, [1, 2, 3]));
await check('sum of nothing', 0, () => ask({ cmd: 'sum' }, []));

async function echo(name, value) {
  await check(`echo ${name}`, value, () => ask('echo', value));
}

await echo('nested null', { a: null, b: [null, { c: null }] });
for (const number of [0, -1, 1.5, 1e21, 0.1 + 0.2, Number.MAX_SAFE_INTEGER]) {
  await echo(`number ${number}`, number);
}
await echo('numbers at the edges', [
  Number.MIN_SAFE_INTEGER,
  Number.MAX_VALUE,
  -Number.MAX_VALUE,
  Number.MIN_VALUE,
  Number.EPSILON,
  2 ** 53,
  2 ** 63,
  2 ** 64,
  -(2 ** 63),
  1e-7,
  123456789012345680000,
]);

const bits = randomBits(20);
const doubles = [];
const view = new DataView(new ArrayBuffer(8));
while (doubles.length < 1000) {
  view.setUint32(0, bits());
  view.setUint32(4, bits());
  const double = view.getFloat64(0);
  if (Number.isFinite(double)) doubles.push(double);
}
await echo('1000 doubles of random bits', doubles);

await echo('true', true);
await echo('false', false);
await echo('empty string', '');
await echo('empty array', []);
await echo('empty object', {});
await echo('array', [1, 'two', [3, [4]], { five: 5 }, null, true]);
await echo('object', { id: 7, name: 'Ada', tags: ['x', 'y'], deep: { a: { b: { c: 1 } } }, '': 0 });

let deep = { bottom: true };
for (let level = 29; level >= 1; level -= 1) deep = { level, inner: deep };
await echo('object of 30 levels', deep);

await echo('emoji', '😀 👩‍👩‍👧 🇩🇪 e\u0301');
await echo('CJK', '漢字かな交じり文 中文 한국어');
await echo('non-ASCII keys', { é: 1, 漢: 2, '😀': 3 });
await echo('escapes', 'quote " backslash \\ slash / tab \t newline \n null \0 bell \x07 \u2028\u2029');
await echo('frame lookalike', '5#{"a":1}#12#');
await echo('packet lookalike', { err: 'x', response: 1, isDisposed: true, id: 'y', status: 's' });
await echo('texts of every width', ['é', 'éé', '漢', '漢é', '😀', '😀é', 'a😀b漢céd']);

function surrogate(text) {
  const replaced = text.replace(/[\ud800-\udfff]/gu, '\ufffd');
  const expected = (got) =>
    got === text ? 'lone surrogate unchanged' : got === replaced && 'U+FFFD in its place';
  expected.says = [text, replaced];
  return [expected, () => ask('echo', text)];
}
await check('echo lone surrogate', ...surrogate('\ud83d'));
await check('echo lone surrogates in a text', ...surrogate('é\ud83d-😀-\ude00漢'));

await echo('1,000,000 ASCII characters', 'x'.repeat(1_000_000));
await echo('1,000,000 emoji', '😀'.repeat(1_000_000));
await echo('1,000,000 mixed characters', 'aé漢😀'.repeat(250_000));

// ---- patterns -----------------------------------------------------------------------------------

for (const [name, pattern] of [
  ['as declared', { a: { c: 3, d: 2 }, b: 1 }],
  ['outer keys swapped', { b: 1, a: { c: 3, d: 2 } }],
  ['inner keys swapped', { a: { d: 2, c: 3 }, b: 1 }],
  ['all keys swapped', { b: 1, a: { d: 2, c: 3 } }],
  ['as JSON text', '{"a":{"c":3,"d":2},"b":1}'],
  ['as JSON text, swapped', '{"b":1,"a":{"d":2,"c":3}}'],
  ['as JSON text with white space', ' { "b" : 1.0,\n\t"a": {"d":2, "c":3e0} } '],
]) {
  await check(`object pattern ${name}`, { matched: true, data: 'x' }, () => ask(pattern, 'x'));
}
await check('cmd pattern as JSON text', 5, () => ask('{"cmd":"sum"}', [2, 3]));
await check('string pattern as JSON text', 'x', () => ask('"echo"', 'x'));
await check('both aliases', ['alias', 'alias'], async () => [
  await ask('alias.one', 1),
  await ask('alias.two', 1),
]);
for (const [name, pattern] of [
  ['string', 'no.such.pattern'],
  ['object', { cmd: 'nothing' }],
  ['part of an object', { b: 1 }],
  ['number', 5],
]) {
  await check(`unknown pattern, ${name}`, { values: [], error: NO_HANDLER }, () =>
    askAll(pattern, 1),
  );
}

// ---- streams and results without a value --------------------------------------------------------

const upTo = (n) => Array.from({ length: n }, (_, index) => index + 1);
for (const n of [0, 1, 3, 1000]) {
  await check(`stream of ${n}`, { values: upTo(n) }, () => askAll({ cmd: 'stream' }, n));
}
await check('stream that ends late', { values: [1, 2] }, () => askAll('stream.late', 1));
await check('empty stream', { values: [] }, () => askAll('empty', 1));
await check(
  'stream that fails midway',
  { values: [1, 2], error: { status: 'error', message: 'mid' } },
  () => askAll('stream.error', 1),
);
await check(
  'twenty streams at once',
  upTo(20).map((n) => ({ values: upTo(n * 10) })),
  () => Promise.all(upTo(20).map((n) => askAll({ cmd: 'stream' }, n * 10))),
);
await check('stream left early', [[1, 2], 'still here'], async () => [
  (await collect(client.send({ cmd: 'stream' }, 1000).pipe(take(2)))).values,
  await ask('echo', 'still here'),
]);
await check('none completes without a value', { values: [] }, () => askAll('none', 1));
await check('none is an EmptyError for firstValueFrom', true, async () => {
  const { error } = await settled(ask('none', 1));
  return error instanceof EmptyError;
});
await check('null is a value', { values: [null] }, () => askAll('null.value', 1));

// ---- errors -------------------------------------------------------------------------------------

for (const [pattern, error] of [
  ['fail.rpc', { status: 'error', message: 'boom' }],
  ['fail.rpc.object', { code: 42, message: 'boom' }],
  ['fail.plain', { status: 'error', message: 'Internal server error' }],
  ['fail.guard', { status: 'error', message: 'Forbidden resource' }],
]) {
  await check(pattern, { values: [], error }, () => askAll(pattern, 1));
}

// ---- concurrency --------------------------------------------------------------------------------

function spread(count, seed) {
  const next = randomBits(seed);
  return Array.from({ length: count }, () => 10 + (next() % 490));
}

async function slowCalls(delays, through) {
  const finished = [];
  const begun = performance.now();
  const values = await Promise.all(
    delays.map(async (ms, index) => {
      const value = await ask('slow', ms, through);
      finished.push(index);
      return value;
    }),
  );
  const took = performance.now() - begun;
  const total = delays.reduce((sum, ms) => sum + ms, 0);
  return {
    values,
    inParallel: took < total / 10,
    notTooEarly: took >= Math.max(...delays) - 5,
    outOfOrder: finished.some((index, place) => index !== place),
  };
}

const goodRun = (values) => ({ values, inParallel: true, notTooEarly: true, outOfOrder: true });

const delays = spread(200, 1);
await check('200 slow calls on one client', goodRun(delays), () => slowCalls(delays, client));

await check('a fast call overtakes a slow one', ['fast', 300], async () => {
  const order = [];
  await Promise.all([
    ask('slow', 300).then((value) => order.push(value)),
    ask('echo', 'fast').then((value) => order.push(value)),
  ]);
  return order;
});

const halves = [spread(50, 2), spread(50, 3)];
await check('two clients at once', halves.map(goodRun), async () => {
  const others = [newClient(), newClient()];
  try {
    return await Promise.all(halves.map((half, index) => slowCalls(half, others[index])));
  } finally {
    others.forEach((other) => other.close());
  }
});

const payloads = upTo(500).map((n) => ({ n, text: 'é漢😀'.repeat(n % 50) }));
await check('500 echoes at once', payloads, () =>
  Promise.all(payloads.map((payload) => ask('echo', payload))),
);

// ---- events -------------------------------------------------------------------------------------

const counts = (names) => Promise.all(names.map((name) => ask('events.count', name)));

/** Emits once, and tells by how much the count of each handler has grown, when that has settled. */
async function emitAndCount(pattern, data, names) {
  const before = await counts(names);
  const grown = async () => (await counts(names)).map((count, i) => count - before[i]);
  await tell(pattern, data);
  let now = await grown();
  for (let tries = 0; tries < 100 && now.some((count) => count < 1); tries += 1) {
    await sleep(20);
    now = await grown();
  }
  await sleep(50); // long enough to notice a handler that runs twice
  return grown();
}

const userHandlers = ['user.created#1', 'user.created#2'];
await check('event to two handlers', [1, 1], () =>
  emitAndCount('user.created', { id: 7 }, userHandlers),
);
await check('event with an object pattern', [1], () =>
  emitAndCount({ a: { c: 3, d: 2 }, b: 2 }, { id: 7 }, ['object.event']),
);
await check('event with an object pattern, keys swapped', [1], () =>
  emitAndCount({ b: 2, a: { d: 2, c: 3 } }, { id: 8 }, ['object.event']),
);
await check('request to an event handler', { values: [] }, () =>
  askAll({ b: 2, a: { d: 2, c: 3 } }, { id: 9 }),
);

// NestJS joins the results of chained event handlers into one object, here without any members.
const joined = (got) =>
  isDeepStrictEqual(got, { values: [{}] })
    ? 'the joined results {}'
    : isDeepStrictEqual(got, { values: [] }) && 'no value';
joined.says = [{ values: [{}] }, { values: [] }];
await check('request to two event handlers', joined, () => askAll('user.created', { id: 8 }));

/** Emits, listens for a while for bytes that must not come, and uses the same connection again. */
async function silently(pattern, data) {
  await client.connect();
  const socket = client.unwrap();
  let bytes = 0;
  const listener = (chunk) => (bytes += chunk.length);
  socket.on('data', listener);
  await tell(pattern, data);
  await sleep(100);
  socket.off('data', listener);
  return { bytes, echo: await ask('echo', 'usable'), sameSocket: client.unwrap() === socket };
}

const silence = { bytes: 0, echo: 'usable', sameSocket: true };
await check('event to a message handler', silence, () => silently('echo', { id: 9 }));
await check('event to a failing message handler', silence, () => silently('fail.plain', 1));
await check('event without a handler', silence, () => silently('nobody.listens', 1));

// ---- metadata -----------------------------------------------------------------------------------

await check('header without metadata', null, () => ask('header', 1));
if (client.setOnDispatchHook) {
  const version = flags.has('--no-metadata') ? null : '1.2.3';
  await check('header with metadata', version, async () => {
    const other = newClient();
    other.setOnDispatchHook((packet) => (packet.metadata = { 'x-version': '1.2.3', other: 'é' }));
    try {
      return await ask('header', 1, other);
    } finally {
      other.close();
    }
  });
}

// ---- a new connection after close ---------------------------------------------------------------

await check('client used again after close', ['before', 'after'], async () => {
  const before = await ask('echo', 'before');
  client.close();
  await sleep(100); // NestJS 11 fails new calls while the old socket is still closing
  return [before, await ask('echo', 'after')];
});

// ---- the server goes away -----------------------------------------------------------------------

if (flags.has('--kill')) {
  const gone = { name: 'Error', message: 'Connection closed' };
  await check(
    'pending calls fail when the server goes away',
    Array(5).fill(gone),
    async () => {
      const pending = upTo(5).map((n) => settled(ask('hang', n)));
      await ask('echo', 'the five before this have been read');
      report({ ready: 'kill' });
      const outcomes = await Promise.all(pending);
      return outcomes.map(({ value, error }) =>
        error instanceof Error ? { name: error.name, message: error.message } : { value, error },
      );
    },
    { timeout: KILL_TIMEOUT },
  );
}

client.close();
report({ done: true, cases, failed });
process.exitCode = failed === 0 ? 0 : 1;
setTimeout(() => process.exit(), 1000).unref(); // in case something still holds the process
