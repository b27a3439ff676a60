// What differs between the message brokers: NestJS's options, the driver by itself, and the names that are wildcards.

import { importerFor, versionDir } from './lib.mjs';

/** Any depth below `deep`. On Redis `*` is that already. */
const DEEP = { nats: 'deep.>', redis: 'deep.*' };

/** The broker called `kind` at `address`, as the NestJS of one version directory (`v11`, `v12`) knows it. */
export async function brokerOf(kind, address, dir, { microservices }) {
  const [host, port] = address.split(':');
  const from = importerFor(versionDir(dir));
  const { Transport } = microservices;
  if (kind === 'nats') {
    const driver = await from(dir === 'v11' ? 'nats' : '@nats-io/transport-node');
    return {
      kind,
      transport: Transport.NATS,
      options: { servers: [address] },
      deep: DEEP.nats,
      // Empty: in no group, whatever the server's is.
      everybody: { queue: '' },
      record: (data, headers) => {
        const all = driver.headers();
        for (const [name, value] of Object.entries(headers)) all.set(name, value);
        return new microservices.NatsRecordBuilder(data).setHeaders(all).build();
      },
      headers: () => driver.headers(),
      bare: async () => {
        const connection = await driver.connect({ servers: [address] });
        const bytes = (body) => new TextEncoder().encode(body);
        return {
          publish: async (subject, body, reply) => {
            connection.publish(subject, bytes(body), reply ? { reply } : undefined);
            await connection.flush();
          },
          /** Calls back with the text of each message and its answer's way. */
          listen: async (subject, callback) => {
            connection.subscribe(subject, {
              callback: (_error, message) => callback(new TextDecoder().decode(message.data), (body) => message.respond(bytes(body))),
            });
            await connection.flush();
          },
          request: async (subject, body, timeout) => new TextDecoder().decode((await connection.request(subject, bytes(body), { timeout })).data),
          close: () => connection.close(),
        };
      },
    };
  }
  const { Redis } = await from('ioredis');
  return {
    kind,
    transport: Transport.REDIS,
    options: { host, port: Number(port) },
    deep: DEEP.redis,
    everybody: {},
    bare: async () => {
      const publisher = new Redis(Number(port), host);
      const subscriber = new Redis(Number(port), host);
      const callbacks = new Map();
      subscriber.on('message', (channel, body) => callbacks.get(channel)?.(body, (answer) => publisher.publish(`${channel}.reply`, answer)));
      const listen = async (channel, callback) => {
        callbacks.set(channel, callback);
        await subscriber.subscribe(channel);
      };
      return {
        publish: (channel, body) => publisher.publish(channel, body),
        listen,
        request: async (channel, body, timeout) => {
          let timer;
          const answer = new Promise((done, fail) => {
            callbacks.set(`${channel}.reply`, done);
            timer = setTimeout(() => fail(new Error('no answer')), timeout);
          });
          answer.catch(() => {});
          await subscriber.subscribe(`${channel}.reply`);
          await publisher.publish(channel, body);
          return answer.finally(() => clearTimeout(timer));
        },
        close: () => Promise.all([publisher.quit(), subscriber.quit()]),
      };
    },
  };
}
