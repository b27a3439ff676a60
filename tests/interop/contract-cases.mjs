// The cases that hold on every transport, as functions of a run (machinery.mjs).

import { isDeepStrictEqual } from 'node:util';
import { sleep } from './lib.mjs';
import { collect, randomBits, settled, upTo } from './machinery.mjs';

/** Payloads of every kind, there and back. */
export async function values({ check, ask }) {
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
}

/** Object patterns in any order of keys, and one handler under two patterns. */
export async function patterns({ check, ask }) {
  for (const [name, pattern] of [
    ['as declared', { a: { c: 3, d: 2 }, b: 1 }],
    ['outer keys swapped', { b: 1, a: { c: 3, d: 2 } }],
    ['inner keys swapped', { a: { d: 2, c: 3 }, b: 1 }],
    ['all keys swapped', { b: 1, a: { d: 2, c: 3 } }],
  ]) {
    await check(`object pattern ${name}`, { matched: true, data: 'x' }, () => ask(pattern, 'x'));
  }
  await check('both aliases', ['alias', 'alias'], async () => [
    await ask('alias.one', 1),
    await ask('alias.two', 1),
  ]);
}

/** Replies of several values, of one, and of none. */
export async function streams(run, { EmptyError, take }) {
  const { check, ask, askAll } = run;

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
    (await collect(run.client.send({ cmd: 'stream' }, 1000).pipe(take(2)))).values,
    await ask('echo', 'still here'),
  ]);
  await check('none completes without a value', { values: [] }, () => askAll('none', 1));
  await check('none is an EmptyError for firstValueFrom', true, async () => {
    const { error } = await settled(ask('none', 1));
    return error instanceof EmptyError;
  });
  await check('null is a value', { values: [null] }, () => askAll('null.value', 1));
}

/** What callers are told of failures. */
export async function errors({ check, askAll }) {
  for (const [pattern, error] of [
    ['fail.rpc', { status: 'error', message: 'boom' }],
    ['fail.rpc.object', { code: 42, message: 'boom' }],
    ['fail.plain', { status: 'error', message: 'Internal server error' }],
    ['fail.guard', { status: 'error', message: 'Forbidden resource' }],
  ]) {
    await check(pattern, { values: [], error }, () => askAll(pattern, 1));
  }
}

/** Calls that overtake each other. */
export async function concurrency({ check, ask, newClient }) {
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
  await check('200 slow calls on one client', goodRun(delays), () => slowCalls(delays));

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
}

/** Events reach each of their handlers once; requests to those handlers are answered. */
export async function events({ check, ask, askAll, tell }) {
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
}
