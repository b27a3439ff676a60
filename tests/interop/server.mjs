// A NestJS TCP microservice with the handlers of the interop contract (see README.md).
//
//   node server.mjs VERSION_DIR [--tls=DIR [--mutual]]
//
// Prints {"port":N} once it listens, then {"event":NAME,"data":...} for every event handler run.
// Ends when stdin closes, or on SIGTERM or SIGINT. Everything NestJS logs goes to stderr.
// --tls=DIR  speaks TLS, with DIR's cert.pem and key.pem; --mutual wants certificates by DIR's ca.pem

import { contractOf } from './contract.mjs';
import { loadNest, report, tlsOptions } from './lib.mjs';

const [dir, ...flags] = process.argv.slice(2);
if (!dir) {
  console.error('usage: node server.mjs VERSION_DIR [--tls=DIR [--mutual]]');
  process.exit(2);
}

const nest = await loadNest(dir);

class App {}
nest.common.Module({ controllers: [contractOf(nest)] })(App);

const quiet = () => {};
const tls = tlsOptions(flags);
if (flags.includes('--mutual')) Object.assign(tls.tlsOptions, { requestCert: true, rejectUnauthorized: true });
const app = await nest.core.NestFactory.createMicroservice(App, {
  transport: nest.microservices.Transport.TCP,
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
