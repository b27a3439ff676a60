// NestJS's own client in a closed loop, with the arguments and the output of src/bin/caller:
//
//   node client.mjs ADDRESS DEPTH for SECONDS      prints `calls N nanos M`
//   node client.mjs ADDRESS DEPTH calls N

import { join } from 'node:path';

import { HERE, loadNest } from '../../../tests/interop/lib.mjs';

const WARM_UP = 200;

const { microservices, rxjs } = await loadNest(join(HERE, 'v12'));
const { ClientProxyFactory, Transport } = microservices;

const [address, depth, manner, number] = process.argv.slice(2);
const [host, port] = address.split(':');
const client = ClientProxyFactory.create({ transport: Transport.TCP, options: { host, port: Number(port) } });
await client.connect();

const end = manner === 'for' ? performance.now() + WARM_UP + 1000 * Number(number) : Infinity;
const most = manner === 'calls' ? Number(number) : Infinity;
let begun = 0;
let answered = 0;

async function calls(slot) {
  for (let first = slot; begun < most && performance.now() < end; first = (first + 1) % 900) {
    begun += 1;
    const numbers = [first, first + 1, first + 2, first + 3, first + 4];
    const sum = await rxjs.firstValueFrom(client.send('math.sum', numbers));
    if (sum !== 5 * first + 10) throw new Error('a wrong answer');
    answered += 1;
  }
}

const all = Promise.all(Array.from({ length: Number(depth) }, (_, slot) => calls(slot)));
if (manner === 'for') await Promise.race([all, new Promise((done) => setTimeout(done, WARM_UP))]);
const before = { answered, cpu: process.cpuUsage() };
await all;
const { user, system } = process.cpuUsage(before.cpu);
console.log(`calls ${answered - before.answered} nanos ${Math.round((user + system) * 1000)}`);
client.close();
