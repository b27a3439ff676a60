// Runs every case of the interop contract (see README.md) against a server with a real NestJS client.
//
//   node client.mjs VERSION_DIR PORT [--kill] [--no-metadata] [--tls=DIR]
//
// One line of JSON per case, then {"done":true,"cases":N,"failed":K}. Exit code 0 if all passed.
// --kill         adds a last case that prints {"ready":"kill"} and expects the server to go away then
// --no-metadata  the server is one that ignores packet metadata (NestJS 11)
// --tls=DIR      speaks TLS, believes DIR's ca.pem, and shows its cert.pem if there is one

import * as contract from './contract-cases.mjs';
import { loadNest, report, sleep, tlsOptions } from './lib.mjs';
import { runOf, settled, upTo } from './machinery.mjs';

const KILL_TIMEOUT = 10_000;

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
common.Logger.overrideLogger(false); // its lines would mix with ours on stdout

const NO_HANDLER = 'There is no matching message handler defined in the remote service.';

const tls = tlsOptions(args);
const newClient = () =>
  ClientProxyFactory.create({ transport: Transport.TCP, options: { host: '127.0.0.1', port, ...tls } });

const run = runOf(rxjs, newClient);
const { check, ask, askAll, tell } = run;

await contract.values(run);
await contract.patterns(run);

// ---- patterns, as a route is looked up here ----------------------------------------------------

for (const [name, pattern] of [
  ['as JSON text', '{"a":{"c":3,"d":2},"b":1}'],
  ['as JSON text, swapped', '{"b":1,"a":{"d":2,"c":3}}'],
  ['as JSON text with white space', ' { "b" : 1.0,\n\t"a": {"d":2, "c":3e0} } '],
]) {
  await check(`object pattern ${name}`, { matched: true, data: 'x' }, () => ask(pattern, 'x'));
}
await check('cmd pattern as JSON text', 5, () => ask('{"cmd":"sum"}', [2, 3]));
await check('string pattern as JSON text', 'x', () => ask('"echo"', 'x'));
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

await contract.streams(run, rxjs);
await contract.errors(run);
await contract.concurrency(run);
await contract.events(run);

// ---- events that are answered with silence ------------------------------------------------------

/** Emits, listens for a while for bytes that must not come, and uses the same connection again. */
async function silently(pattern, data) {
  await run.client.connect();
  const socket = run.client.unwrap();
  let bytes = 0;
  const listener = (chunk) => (bytes += chunk.length);
  socket.on('data', listener);
  await tell(pattern, data);
  await sleep(100);
  socket.off('data', listener);
  return { bytes, echo: await ask('echo', 'usable'), sameSocket: run.client.unwrap() === socket };
}

const silence = { bytes: 0, echo: 'usable', sameSocket: true };
await check('event to a message handler', silence, () => silently('echo', { id: 9 }));
await check('event to a failing message handler', silence, () => silently('fail.plain', 1));
await check('event without a handler', silence, () => silently('nobody.listens', 1));

// ---- metadata -----------------------------------------------------------------------------------

await check('header without metadata', null, () => ask('header', 1));
if (run.client.setOnDispatchHook) {
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
  run.client.close();
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

run.end();
