// Runs the cases of the interop contract over a message broker with a real NestJS client (see README.md).
//
//   node broker-client.mjs VERSION_DIR nats|redis ADDRESS SERVER
//
// SERVER is who answers: `v11`, `v12` or `ours`. Prints what client.mjs prints; and, for `ours`, {"ready":"close"} when a
// call of 400 ms is under way: the caller then has 10 s to close the service, but not at once.

import { isDeepStrictEqual } from 'node:util';
import * as contract from './contract-cases.mjs';
import { brokerOf } from './broker.mjs';
import { loadNest, report, sleep } from './lib.mjs';
import { runOf, settled, upTo } from './machinery.mjs';

const [dir, kind, address, server] = process.argv.slice(2);
if (!['v11', 'v12', 'ours'].includes(server)) {
  console.error('usage: node broker-client.mjs VERSION_DIR nats|redis ADDRESS v11|v12|ours');
  process.exit(2);
}

const nest = await loadNest(dir);
const { common, microservices, rxjs } = nest;
common.Logger.overrideLogger(false); // its lines would mix with ours on stdout
const broker = await brokerOf(kind, address, dir, nest);
const nats = kind === 'nats';

const clientWith = (more) =>
  microservices.ClientProxyFactory.create({ transport: broker.transport, options: { ...broker.options, ...more } });
const run = runOf(rxjs, () => clientWith({}));
const { check, ask, askAll, tell } = run;
const bare = await broker.bare();

await contract.values(run);
await contract.patterns(run);

// ---- nobody listens: the broker says so on NATS, and nobody does on Redis ------------------------

const nobody = (route) =>
  nats
    ? { error: `Empty response. There are no subscribers listening to that message ("${route}")` }
    : { silence: true };
async function silence(pattern) {
  const asked = settled(ask(pattern, 1)).then(({ value, error }) => (error ? { error: error.message } : { value }));
  return Promise.race([asked, sleep(nats ? 3000 : 200).then(() => ({ silence: true }))]);
}
for (const [name, pattern, route] of [
  ['string', 'no.such.pattern', 'no.such.pattern'],
  ['object', { cmd: 'nothing' }, '{"cmd":"nothing"}'],
  ['part of an object', { b: 1 }, '{"b":1}'],
  ['number', 5, '5'],
  // Here a text is a channel, whatever is in it.
  ['text that is JSON of another order', '{"b":1,"a":{"d":2,"c":3}}', '{"b":1,"a":{"d":2,"c":3}}'],
]) {
  await check(`unknown pattern, ${name}`, nobody(route), () => silence(pattern));
}
await check('text that is the route of an object', { matched: true, data: 'x' }, () => ask('{"a":{"c":3,"d":2},"b":1}', 'x'));

await contract.streams(run, rxjs);
await contract.errors(run);
await contract.concurrency(run);
await contract.events(run);
for (const pattern of ['echo', 'fail.plain', 'nobody.listens']) {
  await check(`after an event for ${pattern}`, 'usable', async () => {
    await tell(pattern, { id: 9 });
    return ask('echo', 'usable');
  });
}

// ---- wildcards ----------------------------------------------------------------------------------

// NestJS 11 replies over Redis to the glob's channel, which nobody asks on.
const unreachable = !nats && server === 'v11';
for (const [pattern, matched] of [
  ['where.here', true],
  ['where.漢', true],
  ['deep.a', true],
  ['deep.a.b.c', true],
  ['where.a.b', !nats],
  ['where', false],
  ['deep', false],
]) {
  const expected = !matched ? nobody(pattern) : unreachable ? { silence: true } : { value: pattern };
  await check(`wildcard, ${pattern}`, expected, () => silence(pattern));
}
await check('wildcard, two at once', unreachable ? [true, true] : ['where.one', 'where.two'], () =>
  Promise.all(['where.one', 'where.two'].map(async (pattern) => {
    const { value, silence: silent } = await silence(pattern);
    return silent ?? value;
  })),
);
await check('wildcard event', undefined, () => tell('log.created', { id: 1 }));

// ---- headers and metadata -----------------------------------------------------------------------

await check('header without headers', null, () => ask('header', 1));
if (nats) {
  const record = (data, headers) => broker.record(data, headers);
  await check('header by a record', '1.2.3', () => ask('header', record('x', { 'x-version': '1.2.3' })));
  await check('payload of a record', { a: [1] }, () => ask('echo', record({ a: [1] }, { 'x-version': '1.2.3' })));
  await check('header by a record of an event', undefined, () => tell('versioned', record('x', { 'x-version': '4.5.6' })));
  await check('headers of several values', { 'X-List': ['a', 'b'], one: ['é'] }, async () => {
    const headers = broker.headers();
    headers.append('X-List', 'a');
    headers.append('X-List', 'b');
    headers.set('one', 'é');
    return ask('headers', new microservices.NatsRecordBuilder(1).setHeaders(headers).build());
  });
  await check('headers of a client', ['7', '8'], async () => {
    const other = clientWith({ headers: { 'x-version': '7' } });
    try {
      return [await ask('header', 1, other), await ask('header', record(1, { 'x-version': '8' }), other)];
    } finally {
      other.close();
    }
  });
}
if (run.client.setOnDispatchHook) {
  // It is in the packet on NATS too, where NestJS does not look for it; NestJS 11 looks nowhere.
  const expected = server === 'ours' || (server === 'v12' && !nats) ? '1.2.3' : null;
  await check('metadata', expected, async () => {
    const other = clientWith({});
    other.setOnDispatchHook((packet) => (packet.metadata = { 'x-version': '1.2.3', other: 'é' }));
    try {
      return await ask('header', 1, other);
    } finally {
      other.close();
    }
  });
}
if (server === 'ours') {
  const late = { error: { status: 'error', message: 'Request timed out' }, values: [] };
  if (nats) {
    await check('a deadline that a NestJS client sets', late, () =>
      askAll('hang', broker.record(1, { 'nestrs-timeout-ms': '50' })),
    );
  } else if (run.client.setOnDispatchHook) {
    await check('a deadline that a NestJS client sets', late, async () => {
      const other = clientWith({});
      other.setOnDispatchHook((packet) => (packet.metadata = { 'nestrs-timeout-ms': '50' }));
      try {
        return await askAll('hang', 1, other);
      } finally {
        other.close();
      }
    });
  }
}

// ---- peers that are no NestJS -------------------------------------------------------------------

await check('a bare request', '{"response":"x","isDisposed":true,"id":"7"}', () =>
  bare.request('echo', '{"pattern":"echo","data":"x","id":"7"}', 3000),
);
await check('a bare request, whatever its pattern says', { response: 'x', isDisposed: true, id: 8 }, async () =>
  JSON.parse(await bare.request('echo', '{"id":8,"data":"x","pattern":"other"}', 3000)),
);
await check('a bare request without an id is an event', 'no answer', async () => {
  const { error } = await settled(bare.request('echo', '{"pattern":"echo","data":"x"}', 150));
  return error && 'no answer';
});
const logged = nats ? ['{"a":1}', '{"data":5}', '5', '"s"', 'null'] : ['{"a":1}', '{"data":5}', '5', '"s"', 'not json'];
await check('bare events', 'alive', async () => {
  for (const body of logged) await bare.publish('log.bare', body);
  return ask('echo', 'alive');
});
// These end a NestJS 11 server.
if (server !== 'v11') {
  for (const body of ['not json', '', '{"pattern":', '\u0000', '{"pattern":"echo","data":1,"id":', '[', 'ÿ']) {
    await check(`a malformed body, ${JSON.stringify(body)}`, 'alive', async () => {
      await bare.publish('echo', body);
      await bare.publish('{"cmd":"sum"}', body);
      return ask('echo', 'alive');
    });
  }
}

// ---- replicas -----------------------------------------------------------------------------------

await check('a call of one of two replicas', true, async () => {
  const names = new Set(await Promise.all(upTo(40).map(() => ask('who', 1))));
  // On NATS both have worked; on Redis each has answered all, and the caller heard whoever was first.
  return nats ? names.size === 2 : names.size >= 1;
});
await check('an event that replicas share', 20, async () => {
  await Promise.all(upTo(20).map((n) => tell('shared', n)));
  return 20;
});
await check('an event for every replica', undefined, () => tell('broadcast', 1));
await check('after all that', 'usable', () => ask('echo', 'usable'));

// ---- a client that is closed --------------------------------------------------------------------

// NestJS 11 never asks again over Redis.
if (nats || dir !== 'v11') {
  await check('client used again after close', ['before', 'after'], async () => {
    const before = await ask('echo', 'before');
    run.client.close();
    await sleep(100);
    return [before, await ask('echo', 'after')];
  });
}

// ---- a service that is closed -------------------------------------------------------------------

if (server === 'ours') {
  const patient = { timeout: 10_000 };
  await check('a call under way when the service is closed', { value: 400 }, async () => {
    const slow = settled(ask('slow', 400));
    await ask('echo', 'the one before this is there');
    report({ ready: 'close' });
    return slow;
  }, patient);
  await check('after that nobody listens', nobody('echo'), async () => {
    let told;
    for (let tries = 0; tries < 50 && !isDeepStrictEqual(told, nobody('echo')); tries += 1) {
      told = await silence('echo');
    }
    return told;
  }, patient);
}

await bare.close();
run.end();
