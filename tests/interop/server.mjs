// A NestJS TCP microservice with the handlers of the interop contract (see README.md).
//
//   node server.mjs VERSION_DIR [--tls=DIR [--mutual]]
//
// Prints {"port":N} once it listens, then {"event":NAME,"data":...} for every event handler run.
// Ends when stdin closes, or on SIGTERM or SIGINT. Everything NestJS logs goes to stderr.
// --tls=DIR  speaks TLS, with DIR's cert.pem and key.pem; --mutual wants certificates by DIR's ca.pem

import { decorateMethod, decorateParameters, loadNest, report, sleep, tlsOptions } from './lib.mjs';

const [dir, ...flags] = process.argv.slice(2);
if (!dir) {
  console.error('usage: node server.mjs VERSION_DIR [--tls=DIR [--mutual]]');
  process.exit(2);
}

const { common, core, microservices, rxjs } = await loadNest(dir);
const { Controller, Module, UseGuards } = common;
const { Ctx, EventPattern, MessagePattern, Payload, RpcException, Transport } = microservices;
const { concat, EMPTY, ignoreElements, of, range, throwError, timer } = rxjs;

const runs = new Map();
function seen(event, data) {
  runs.set(event, (runs.get(event) ?? 0) + 1);
  report({ event, data });
}

class Never {
  canActivate() {
    return false;
  }
}

class Contract {
  sum(numbers) {
    return numbers.reduce((total, n) => total + n, 0);
  }
  echo(data) {
    return data;
  }
  nested(data) {
    return { matched: true, data };
  }
  async slow(ms) {
    await sleep(ms);
    return ms;
  }
  stream(n) {
    return range(1, n);
  }
  streamLate() {
    return concat(of(1, 2), timer(20).pipe(ignoreElements()));
  }
  empty() {
    return EMPTY;
  }
  streamError() {
    return concat(of(1, 2), throwError(() => new RpcException('mid')));
  }
  none() {}
  nullValue() {
    return null;
  }
  failRpc() {
    throw new RpcException('boom');
  }
  failRpcObject() {
    throw new RpcException({ code: 42, message: 'boom' });
  }
  failPlain() {
    throw new Error('secret');
  }
  failGuard() {
    seen('fail.guard must never run', null);
    return 'the guard let this pass';
  }
  alias() {
    return 'alias';
  }
  hang() {
    return new Promise(() => {});
  }
  header(_data, context) {
    return context.getMetadata?.()?.['x-version'] ?? null;
  }
  eventsCount(name) {
    return runs.get(name) ?? 0;
  }
  userCreatedFirst(data) {
    seen('user.created#1', data);
  }
  userCreatedSecond(data) {
    seen('user.created#2', data);
  }
  objectEvent(data) {
    seen('object.event', data);
  }
}

const patterns = {
  sum: { cmd: 'sum' },
  echo: 'echo',
  nested: { a: { c: 3, d: 2 }, b: 1 },
  slow: 'slow',
  stream: { cmd: 'stream' },
  streamLate: 'stream.late',
  empty: 'empty',
  streamError: 'stream.error',
  none: 'none',
  nullValue: 'null.value',
  failRpc: 'fail.rpc',
  failRpcObject: 'fail.rpc.object',
  failPlain: 'fail.plain',
  failGuard: 'fail.guard',
  alias: ['alias.one', 'alias.two'],
  hang: 'hang',
  header: 'header',
  eventsCount: 'events.count',
};
for (const [method, pattern] of Object.entries(patterns)) {
  decorateMethod(Contract, method, MessagePattern(pattern));
}
decorateMethod(Contract, 'failGuard', UseGuards(Never));
decorateParameters(Contract, 'header', Payload(), Ctx());
decorateMethod(Contract, 'userCreatedFirst', EventPattern('user.created'));
decorateMethod(Contract, 'userCreatedSecond', EventPattern('user.created'));
decorateMethod(Contract, 'objectEvent', EventPattern({ b: 2, a: { d: 2, c: 3 } }));
Controller()(Contract);

class App {}
Module({ controllers: [Contract] })(App);

const quiet = () => {};
const tls = tlsOptions(flags);
if (flags.includes('--mutual')) Object.assign(tls.tlsOptions, { requestCert: true, rejectUnauthorized: true });
const app = await core.NestFactory.createMicroservice(App, {
  transport: Transport.TCP,
  options: { host: '127.0.0.1', port: 0, ...tls },
  logger: { log: quiet, debug: quiet, verbose: quiet, warn: console.error, error: console.error },
});

let stopping = false;
async function stop() {
  if (stopping) return;
  stopping = true;
  setTimeout(() => process.exit(1), 2000).unref();
  await app.close();
  process.exit(0); // 'hang' and 'slow' handlers may still be waiting
}
process.on('SIGTERM', stop);
process.on('SIGINT', stop);

await app.listen();
report({ port: app.unwrap().address().port });
process.stdin.on('error', stop).on('close', stop).on('end', stop).resume();
