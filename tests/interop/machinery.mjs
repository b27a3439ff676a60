// What a run of cases with a real NestJS client is made of: cases that are run one by one, compared and reported.

import { isDeepStrictEqual } from 'node:util';
import { report } from './lib.mjs';

const CASE_TIMEOUT = 10_000; // on a machine that does much else
const ALL_TIMEOUT = 60_000; // cases still to come then fail without being run

const MISSING = '(undefined)';

/** Makes any outcome printable: errors become objects, long texts and arrays are cut. */
function printable(value, depth = 0) {
  if (value === undefined) return MISSING;
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (typeof value === 'string' && value.length > 200) {
    return `${value.slice(0, 80)}… (${value.length} units in all)`;
  }
  if (typeof value === 'number' && Object.is(value, -0)) return '-0';
  if (depth > 40) return '…';
  if (Array.isArray(value)) {
    const shown = value.slice(0, 20).map((item) => printable(item, depth + 1));
    return value.length > 20 ? [...shown, `… (${value.length} items in all)`] : shown;
  }
  if (value && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, printable(v, depth + 1)]));
  }
  return value;
}

/** The path to the first place where two values differ, for the ones too long to print. */
function difference(a, b, path = '') {
  if (typeof a === 'string' && typeof b === 'string') {
    let index = 0;
    while (index < a.length && a[index] === b[index]) index += 1;
    return `${path}[${index}]`;
  }
  if (a && b && typeof a === 'object' && typeof b === 'object') {
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
      if (!isDeepStrictEqual(a[key], b[key])) return difference(a[key], b[key], `${path}.${key}`);
    }
  }
  return path;
}

async function within(ms, work) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Everything an Observable does: `{values}` and, if it failed, `{error}`. */
export function collect(source) {
  return new Promise((done) => {
    const values = [];
    source.subscribe({
      next: (value) => values.push(value),
      error: (error) => done({ values, error }),
      complete: () => done({ values }),
    });
  });
}

export async function settled(promise) {
  try {
    return { value: await promise };
  } catch (error) {
    return { error };
  }
}

/** mulberry32, so that every run sends the same numbers. */
export function randomBits(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  };
}

export const upTo = (n) => Array.from({ length: n }, (_, index) => index + 1);

/** A run of cases, each through `run.client`, which is a new one after a case that failed. */
export function runOf({ firstValueFrom, lastValueFrom }, newClient) {
  const begin = performance.now();
  let cases = 0;
  let failed = 0;

  /**
   * Runs one case. `expected` is compared with what `work` gives, strictly and in depth; as a function
   * it is called with it instead, and returns true, or a note when there was a choice.
   */
  async function check(name, expected, work, { timeout = CASE_TIMEOUT } = {}) {
    cases += 1;
    let got;
    let verdict = false;
    try {
      if (performance.now() - begin > ALL_TIMEOUT) throw new Error('not run, the time is over');
      got = await within(timeout, Promise.resolve().then(work));
      verdict = typeof expected === 'function' ? expected(got) : isDeepStrictEqual(got, expected);
    } catch (error) {
      got = { thrown: error };
    }
    if (verdict) {
      report({ case: name, ok: true, ...(typeof verdict === 'string' && { note: verdict }) });
      return;
    }
    failed += 1;
    const wanted = typeof expected === 'function' ? (expected.says ?? 'see the source') : expected;
    report({
      case: name,
      ok: false,
      expected: printable(wanted),
      got: printable(got),
      at: difference(wanted, got),
    });
    // Nothing left behind by this case may disturb the following ones.
    run.client.close();
    run.client = newClient();
  }

  const run = {
    client: newClient(),
    newClient,
    check,
    ask: (pattern, data, through = run.client) => firstValueFrom(through.send(pattern, data)),
    tell: (pattern, data) => lastValueFrom(run.client.emit(pattern, data), { defaultValue: null }),
    askAll: (pattern, data, through = run.client) => collect(through.send(pattern, data)),

    /** Reports what the cases came to. The exit code is 0 if all passed. */
    end() {
      run.client.close();
      report({ done: true, cases, failed });
      process.exitCode = failed === 0 ? 0 : 1;
      setTimeout(() => process.exit(), 1000).unref(); // in case something still holds the process
    },
  };
  return run;
}
