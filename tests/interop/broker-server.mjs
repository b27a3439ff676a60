// NestJS microservices over a message broker: the contract's handlers, two replicas of a second service, and answers that
// no NestJS gives (see README.md).
//
//   node broker-server.mjs VERSION_DIR nats|redis ADDRESS
//
// Prints {"ready":true} once all is subscribed, then {"event":NAME,"data":...} for every event handler run, and
// {"event":"who","data":REPLICA} for every call of a replica. Ends when stdin closes, or on SIGTERM or SIGINT.

import { brokerOf } from './broker.mjs';
import { contractOf } from './contract.mjs';
import { decorateMethod, decorateParameters, loadNest, report } from './lib.mjs';

const [dir, kind, address] = process.argv.slice(2);
if (!address) {
  console.error('usage: node broker-server.mjs VERSION_DIR nats|redis ADDRESS');
  process.exit(2);
}

const nest = await loadNest(dir);
const broker = await brokerOf(kind, address, dir, nest);
const { Controller, Module } = nest.common;
const { Ctx, EventPattern, MessagePattern, Payload } = nest.microservices;

const channelOf = (context) => context.getSubject?.() ?? context.getChannel();

class Wild {
  where(_data, context) {
    return channelOf(context);
  }
  deep(_data, context) {
    return channelOf(context);
  }
  log(data, context) {
    report({ event: 'log', data: { channel: channelOf(context), data } });
  }
  headers(_data, context) {
    const headers = context.getHeaders?.();
    return Object.fromEntries((headers?.keys() ?? []).map((name) => [name, headers.values(name)]));
  }
  versioned(_data, context) {
    report({ event: 'versioned', data: context.getMetadata?.()?.['x-version'] ?? (context.getHeaders?.()?.get('x-version') || null) });
  }
}
decorateMethod(Wild, 'where', MessagePattern('where.*'));
decorateMethod(Wild, 'deep', MessagePattern(broker.deep));
decorateMethod(Wild, 'log', EventPattern('log.*'));
decorateMethod(Wild, 'headers', MessagePattern('headers'));
decorateMethod(Wild, 'versioned', EventPattern('versioned'));
for (const method of ['where', 'deep', 'log', 'headers', 'versioned']) {
  decorateParameters(Wild, method, Payload(), Ctx());
}
Controller()(Wild);

function replica(name) {
  class Replica {
    who() {
      report({ event: 'who', data: name });
      return name;
    }
    shared() {
      report({ event: 'shared', data: name });
    }
    broadcast() {
      report({ event: 'broadcast', data: name });
    }
  }
  decorateMethod(Replica, 'who', MessagePattern('who'));
  decorateMethod(Replica, 'shared', EventPattern('shared'));
  decorateMethod(Replica, 'broadcast', EventPattern('broadcast', broker.everybody));
  Controller()(Replica);
  return Replica;
}

const quiet = () => {};
const logger = { log: quiet, debug: quiet, verbose: quiet, warn: console.error, error: console.error };
async function serve(controllers, more) {
  class App {}
  Module({ controllers })(App);
  const options = { ...broker.options, ...more };
  const app = await nest.core.NestFactory.createMicroservice(App, { transport: broker.transport, options, logger });
  await app.listen();
  // The drivers do not wait for the broker to confirm.
  await new Promise((done) => setTimeout(done, 50));
  return app;
}

const apps = await Promise.all([
  serve([contractOf(nest), Wild], { wildcards: true }),
  serve([replica('nest one')], { queue: 'team' }),
  serve([replica('nest two')], { queue: 'team' }),
]);

const bare = await broker.bare();
await bare.listen('raw.text', (_body, answer) => answer('not json'));
await bare.listen('raw.end', (body, answer) => answer(JSON.stringify({ isDisposed: true, id: JSON.parse(body).id })));
await bare.listen('raw.twice', (body, answer) => {
  const { id } = JSON.parse(body);
  answer(JSON.stringify({ response: 'first', isDisposed: true, id }));
  answer(JSON.stringify({ response: 'second', isDisposed: true, id }));
});
await bare.listen('raw.stranger', (body, answer) => {
  answer(JSON.stringify({ response: "somebody else's", isDisposed: true, id: 'a-stranger' }));
  answer(JSON.stringify({ response: 'mine', isDisposed: true, id: JSON.parse(body).id }));
});

let stopping = false;
async function stop() {
  if (stopping) return;
  stopping = true;
  setTimeout(() => process.exit(1), 2000).unref();
  await Promise.all([...apps.map((app) => app.close()), bare.close()]);
  process.exit(0); // 'hang' and 'slow' handlers may still be waiting
}
process.on('SIGTERM', stop);
process.on('SIGINT', stop);

report({ ready: true });
process.stdin.on('error', stop).on('close', stop).on('end', stop).resume();
