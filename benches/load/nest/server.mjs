// The same handlers on real NestJS: prints `listening ADDRESS`, and ends when standard input does.
//
//   node server.mjs            beside tests/interop, whose locked packages it uses

import { join } from 'node:path';

import { decorateMethod, HERE, loadNest } from '../../../tests/interop/lib.mjs';

const { common, core, microservices, rxjs } = await loadNest(join(HERE, 'v12'));
const { Controller, Module } = common;
const { EventPattern, MessagePattern, Payload, Transport } = microservices;

class Handlers {
  seen = 0;
  sum(numbers) {
    return numbers.reduce((total, n) => total + n, 0);
  }
  echo(text) {
    return text;
  }
  note() {
    this.seen += 1;
  }
  seenSoFar() {
    return this.seen;
  }
  stream(count) {
    return rxjs.range(1, count);
  }
}

for (const [method, decorator] of [
  ['sum', MessagePattern('math.sum')],
  ['echo', MessagePattern('echo')],
  ['note', EventPattern('event.note')],
  ['seenSoFar', MessagePattern('event.seen')],
  ['stream', MessagePattern('stream')],
]) {
  decorateMethod(Handlers, method, decorator);
  Payload()(Handlers.prototype, method, 0);
}
Controller()(Handlers);

class App {}
Module({ controllers: [Handlers] })(App);

const options = { transport: Transport.TCP, options: { host: '127.0.0.1', port: 0 } };
const app = await core.NestFactory.createMicroservice(App, { ...options, logger: false });
await app.listen();
const { address, port } = app.unwrap().address();
console.log(`listening ${address}:${port}`);
process.stdin.resume().on('end', () => process.exit(0));
