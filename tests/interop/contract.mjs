// The controller of the interop contract: the handlers that README.md lists, for any transport.

import { decorateMethod, decorateParameters, report, sleep } from './lib.mjs';

/** A controller class of its own for each call. What its event handlers see is reported. */
export function contractOf({ common, microservices, rxjs }) {
  const { Controller, UseGuards } = common;
  const { Ctx, EventPattern, MessagePattern, Payload, RpcException } = microservices;
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
      return context.getMetadata?.()?.['x-version'] ?? (context.getHeaders?.()?.get('x-version') || null);
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
  return Contract;
}
