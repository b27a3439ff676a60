// Helpers shared by server.mjs and client.mjs: loading one NestJS major out of a version directory,
// and applying decorators without a compiler.

import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const HERE = dirname(fileURLToPath(import.meta.url));

/** Finds a version directory such as `v12`: seen from the current directory, else beside this file. */
export function versionDir(name) {
  for (const dir of [resolve(name), join(HERE, name)]) {
    if (existsSync(join(dir, 'package.json'))) return dir;
  }
  throw new Error(`no such version directory: ${name}`);
}

/**
 * A function that imports packages as code inside `dir` would see them. NestJS 11 is CommonJS and
 * NestJS 12 is ES modules; importing the resolved file works for both.
 */
export function importerFor(dir) {
  const require = createRequire(join(dir, 'package.json'));
  return (name) => import(pathToFileURL(require.resolve(name)).href);
}

/** Loads NestJS and RxJS from a version directory. */
export async function loadNest(name) {
  const from = importerFor(versionDir(name));
  await from('reflect-metadata');
  const [common, core, microservices, rxjs] = await Promise.all(
    ['@nestjs/common', '@nestjs/core', '@nestjs/microservices', 'rxjs'].map(from),
  );
  return { common, core, microservices, rxjs };
}

/** What `@A() @B() method() {}` does in TypeScript: the decorator nearest the method goes first. */
export function decorateMethod(cls, method, ...decorators) {
  let descriptor = Object.getOwnPropertyDescriptor(cls.prototype, method);
  for (const decorator of decorators.reverse()) {
    descriptor = decorator(cls.prototype, method, descriptor) ?? descriptor;
  }
  Object.defineProperty(cls.prototype, method, descriptor);
}

/** What `method(@A() first, @B() second) {}` does. */
export function decorateParameters(cls, method, ...decorators) {
  decorators.forEach((decorator, index) => decorator(cls.prototype, method, index));
}

/**
 * `tlsOptions` out of a directory of PEM files, for the argument `--tls=DIR`: `ca.pem`, and where they are there `cert.pem`
 * and `key.pem`. Nothing without that argument.
 */
export function tlsOptions(args) {
  const dir = args.find((arg) => arg.startsWith('--tls='))?.slice('--tls='.length);
  if (!dir) return {};
  const names = { ca: 'ca.pem', cert: 'cert.pem', key: 'key.pem' };
  const files = Object.entries(names).filter(([, file]) => existsSync(join(dir, file)));
  return { tlsOptions: Object.fromEntries(files.map(([name, file]) => [name, readFileSync(join(dir, file))])) };
}

/** Writes one line of JSON to stdout. */
export function report(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
