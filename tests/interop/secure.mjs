// One call of a real NestJS client over TLS, or with credentials, and what it came to.
//
//   node secure.mjs VERSION_DIR PORT [--tls=DIR] [--tls12] [--token=TEXT]
//
// Prints {"ok":VALUE,"protocol":"TLSv1.3"} or {"error":MESSAGE,"code":CODE} for `echo` of "hello".
// --tls=DIR     speaks TLS, believes DIR's ca.pem, and shows its cert.pem if there is one
// --tls12       nothing newer than TLS 1.2
// --token=TEXT  sends it as the first frame, by a socket class of its own

import { loadNest, report, tlsOptions } from './lib.mjs';

const [dir, port, ...flags] = process.argv.slice(2);
const { common, microservices, rxjs } = await loadNest(dir);
common.Logger.overrideLogger(false); // its lines would mix with ours on stdout

const options = { host: '127.0.0.1', port: Number(port), ...tlsOptions(flags) };
if (flags.includes('--tls12')) options.tlsOptions.maxVersion = 'TLSv1.2';
const token = flags.find((flag) => flag.startsWith('--token='))?.slice('--token='.length);

let netSocket;
options.socketClass = class extends microservices.JsonSocket {
  constructor(socket) {
    super(socket);
    netSocket = socket;
    // Before NestJS's own listener, and so before its first packet. Under TLS too: the socket keeps it until it may go.
    if (token !== undefined) socket.once('connect', () => this.sendMessage(token));
  }
};

const client = microservices.ClientProxyFactory.create({ transport: microservices.Transport.TCP, options });
try {
  const ok = await rxjs.firstValueFrom(client.send('echo', 'hello').pipe(rxjs.timeout(5_000)));
  report({ ok, protocol: netSocket.getProtocol?.() ?? null });
} catch (error) {
  report({ error: error?.message ?? String(error), code: error?.code ?? null });
}
client.close();
