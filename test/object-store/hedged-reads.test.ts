import { describe, expect, it } from 'vitest';
import { StoreError } from '../../lib/errors.ts';
import { HedgedReads } from '../../lib/object-store/hedged-reads.ts';
import { constantLatency, LatencyStore } from '../../lib/object-store/latency-store.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import type { GetResult, ObjectStore } from '../../lib/object-store/object-store.ts';
import { noCost } from '../../lib/state/read-cost.ts';
import { SstFiles } from '../../lib/state/sst-files.ts';
import type { Clock } from '../../lib/util/clock.ts';
import { seededRandom } from '../../lib/util/random.ts';
import { SimulatedClock } from '../helpers/simulated-clock.ts';
import { FREE_LOGNORMAL, LOGNORMAL, ONE_IN_TWENTY, slowestOf } from '../helpers/slowest-of.ts';

/** What the next request gets, and when. */
interface Scripted {
  readonly ms: number;
  readonly error?: Error;
}

const USUAL: Scripted = { ms: 20 };
/** Of reads that take 20 ms; what is usual is known to 4 %. */
const LATE_MS = 23;
const BODY = Uint8Array.from({ length: 1000 }, (_, i) => (i * 7) % 251);
const RANGE = { offset: 100, length: 50 };

/** A store whose requests take what is scripted, in their order, then the usual; and hedged reads of it. */
function setUp({ clockOf = (clock: SimulatedClock): Clock => clock } = {}) {
  const clock = new SimulatedClock(0);
  const script: Scripted[] = [];
  let requests = 0;
  const get: ObjectStore['get'] = async (name, options = {}): Promise<GetResult> => {
    const place = requests++;
    const { ms, error } = script.shift() ?? USUAL;
    await clock.sleep(ms);
    if (error !== undefined) throw error;
    const { offset, length } = options.range!;
    const body = BODY.slice(offset, offset + length);
    return { found: true, body, etag: name, size: BODY.length, dateMs: place };
  };
  const store = Object.assign(new MemoryStore({ clock }), { get });
  const itsClock = clockOf(clock);
  let sleepers = 0;
  const reads = new HedgedReads(store, {
    now: () => itsClock.now(),
    monotonic: () => itsClock.monotonic(),
    sleep(ms, signal) {
      sleepers++;
      return itsClock.sleep(ms, signal).finally(() => sleepers--);
    },
  });
  /** @param scripted what its requests get, if it makes so many @returns what a read gave, how long it took, and how often it was asked */
  const read = async (...scripted: Scripted[]) => {
    script.push(...scripted);
    const before = requests;
    const startMs = clock.monotonic();
    let hedges = 0;
    let ended = false;
    const outcome = reads.get('a', { range: RANGE, onHedge: () => void hedges++ }).then(
      (answer) => ({ answer, error: undefined }),
      (error: unknown) => ({ answer: undefined, error }),
    );
    void outcome.then(() => {
      ended = true;
    });
    await clock.run(() => ended);
    script.length = 0;
    const ms = clock.monotonic() - startMs;
    expect(requests - before).toBe(1 + hedges);
    // No timer is left behind.
    await new Promise((resolve) => setImmediate(resolve));
    expect(sleepers).toBe(0);
    return { ...(await outcome), ms, requests: requests - before };
  };
  const usual = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) expect(await read()).toMatchObject({ ms: 20, requests: 1 });
  };
  return { clock, store, reads, read, usual, script, count: () => requests };
}

/** Until all answers have come, those that nobody waits for, too. */
async function untilAllCame(clock: SimulatedClock): Promise<void> {
  await expect(clock.run(() => false)).rejects.toThrow('nothing is left');
}

describe('a read that takes longer than most', () => {
  it('is asked once more, and the second answer counts if it comes first', async () => {
    const { read, usual } = setUp();
    await usual(64);
    const { answer, ms, requests } = await read({ ms: 500 }, { ms: 15 });
    expect({ ms, requests }).toEqual({ ms: LATE_MS + 15, requests: 2 });
    expect(answer).toMatchObject({ found: true, body: BODY.slice(100, 150), dateMs: 65 });
  });

  it('has its first answer if that comes first, after all', async () => {
    const { read, usual } = setUp();
    await usual(64);
    const { answer, ms, requests } = await read({ ms: 30 }, { ms: 15 });
    expect({ ms, requests }).toEqual({ ms: 30, requests: 2 });
    expect(answer).toMatchObject({ body: BODY.slice(100, 150), dateMs: 64 });
  });

  it('is not asked again before, and leaves no timer behind', async () => {
    const { read, usual } = setUp();
    await usual(64);
    expect(await read({ ms: LATE_MS - 1 })).toMatchObject({ ms: LATE_MS - 1, requests: 1 });
  });

  it('is over with its first answer: of the other even an error is nobody’s', async () => {
    const { clock, read, usual } = setUp();
    await usual(64);
    const error = new Error('too late');
    expect(await read({ ms: 500, error }, { ms: 15 })).toMatchObject({ ms: LATE_MS + 15, requests: 2 });
    await untilAllCame(clock);
    await usual(20);
    expect(await read({ ms: 500 }, { ms: 15 })).toMatchObject({ ms: LATE_MS + 15, requests: 2 });
  });

  it('is not asked again while too little is known, however slow', async () => {
    const { read, usual } = setUp();
    await usual(15);
    expect(await read({ ms: 500 })).toMatchObject({ ms: 500, requests: 1 });
  });

  it('is at least 10 ms old', async () => {
    const { read } = setUp();
    for (let i = 0; i < 64; i++) await read({ ms: 1 });
    expect(await read({ ms: 9 })).toMatchObject({ requests: 1 });
    expect(await read({ ms: 500 }, { ms: 1 })).toMatchObject({ ms: 11, requests: 2 });
  });

  it('is compared with those of its size', async () => {
    const { clock, reads, read, usual, script, count } = setUp();
    await usual(64);
    script.push({ ms: 500 });
    const before = count();
    const large = reads.get('a', { range: { offset: 0, length: 1 << 20 } });
    let ended = false;
    void large.then(() => {
      ended = true;
    });
    await clock.run(() => ended);
    expect(count() - before).toBe(1);
    expect(await read({ ms: 500 })).toMatchObject({ requests: 2 });
  });

  it('follows a store that becomes slower', async () => {
    const { read, usual } = setUp();
    await usual(64);
    for (let i = 0; i < 200; i++) await read({ ms: 60 }, { ms: 60 });
    expect(await read({ ms: 66 })).toMatchObject({ ms: 66, requests: 1 });
    expect(await read({ ms: 500 }, { ms: 60 })).toMatchObject({ requests: 2 });
  });

  it('is given time where the thread was busy when its timer ended', async () => {
    let busyMs = 0;
    const { read, usual } = setUp({
      clockOf: (clock) => ({
        now: () => clock.now(),
        monotonic: () => clock.monotonic(),
        sleep: (ms, signal) => clock.sleep(ms + busyMs, signal).finally(() => (busyMs = 0)),
      }),
    });
    await usual(64);
    busyMs = 30;
    // The timer ends 30 late, and what comes in the 30 after that is not late.
    expect(await read({ ms: 80 })).toMatchObject({ ms: 80, requests: 1 });
    busyMs = 30;
    const { ms, requests } = await read({ ms: 500 }, { ms: 15 });
    expect(requests).toBe(2);
    expect(ms).toBeCloseTo(LATE_MS + 30 + 30 + 15, -1);
  });

  it('is asked again as often as what was asked last is late, four times in all', async () => {
    const { read, usual } = setUp();
    await usual(64);
    expect(await read({ ms: 500 }, { ms: 500 }, { ms: 15 })).toMatchObject({ ms: 2 * LATE_MS + 15, requests: 3 });
    await usual(64);
    const all = new Array<Scripted>(5).fill({ ms: 500 });
    expect(await read(...all)).toMatchObject({ ms: 500, requests: 4 });
  });

  it('has an answer of any of them, whichever failed', async () => {
    const { read, usual } = setUp();
    await usual(64);
    const error = new StoreError('STORE_BUSY', 'busy', { retryable: true });
    const some = [{ ms: 60, error }, { ms: 60 - LATE_MS, error }, { ms: 20 }] as const;
    expect(await read(...some)).toMatchObject({ ms: 2 * LATE_MS + 20, requests: 3, error: undefined });
  });
});

describe('errors', () => {
  const first = new StoreError('STORE_BUSY', 'first', { retryable: true });
  const second = new StoreError('STORE_BUSY', 'second', { retryable: true });

  it('of one request leave the other’s answer to count', async () => {
    const { read, usual } = setUp();
    await usual(64);
    const original = await read({ ms: 40, error: first }, { ms: 30 });
    expect(original).toMatchObject({ ms: LATE_MS + 30, requests: 2, error: undefined });
    await usual(20);
    const hedge = await read({ ms: 60 }, { ms: 5, error: first });
    expect(hedge).toMatchObject({ ms: 60, requests: 2, error: undefined });
  });

  it('of both: the first is told', async () => {
    const { read, usual } = setUp();
    await usual(64);
    expect(await read({ ms: 40, error: first }, { ms: 30, error: second })).toMatchObject({
      ms: LATE_MS + 30,
      error: first,
    });
    await usual(20);
    expect(await read({ ms: 40, error: second }, { ms: 5, error: first })).toMatchObject({ ms: 40, error: first });
  });

  it('before it is late are told at once, and asked again by nobody here', async () => {
    const { read, usual } = setUp();
    await usual(64);
    expect(await read({ ms: 10, error: first })).toMatchObject({ ms: 10, requests: 1, error: first });
  });

  it('end hedging, until the store has answered for a while', async () => {
    const { read, usual } = setUp();
    await usual(64);
    await read({ ms: 10, error: first });
    expect(await read({ ms: 500 })).toMatchObject({ ms: 500, requests: 1 });
    await usual(8);
    expect(await read({ ms: 500 })).toMatchObject({ ms: 500, requests: 1 });
    await usual(8);
    expect(await read({ ms: 500 }, { ms: 15 })).toMatchObject({ requests: 2 });
  });
});

describe('what hedging costs', () => {
  it('is a tenth of the reads at most, and no more than 256 at once, whatever the store does', async () => {
    const { clock, reads, usual, script, count } = setUp();
    /** @returns requests beyond these reads */
    const sideBySide = async (side: number, ms: number): Promise<number> => {
      script.push(...new Array<Scripted>(10 * side).fill({ ms }));
      const before = count();
      let left = side;
      for (let i = 0; i < side; i++) void reads.get('a', { range: RANGE }).then(() => left--);
      await clock.run(() => left === 0);
      script.length = 0;
      return count() - before - side;
    };
    await usual(64);
    expect(await sideBySide(941, 20)).toBe(0);
    expect(await sideBySide(200, 500)).toBe(100);
    expect(await sideBySide(4_000, 20)).toBe(0);
    expect(await sideBySide(200, 500)).toBe(256);
  });

  it('is nothing where all requests take the same', async () => {
    const clock = new SimulatedClock(0);
    const memory = new MemoryStore({ clock });
    await memory.create('a', BODY);
    const store = new LatencyStore(memory, constantLatency(20), { clock, random: seededRandom(1) });
    const reads = new HedgedReads(store, clock);
    let left = 500;
    const onHedge = (): void => expect.unreachable();
    for (let i = 0; i < 500; i++) void reads.get('a', { range: RANGE, onHedge }).then(() => left--);
    await clock.run(() => left === 0);
    expect((await slowestOf(constantLatency(20), { side: 16, rounds: 50, hedged: true })).more).toBe(0);
  });

  it('is counted: both requests, and the bytes of both', async () => {
    const { clock, reads, usual, script } = setUp();
    await usual(64);
    script.push({ ms: 500 }, { ms: 15 });
    const files = new SstFiles({ store: reads, names: { sst: () => 'a' } as never, path: 's0/p0' });
    const cost = noCost();
    let bytes: Uint8Array | undefined;
    void files.read({ id: 'a' } as never, RANGE, cost).then((read) => {
      bytes = read;
    });
    await clock.run(() => bytes !== undefined);
    expect(bytes).toEqual(BODY.slice(100, 150));
    expect(cost).toMatchObject({ requests: 2, bytes: 100 });
  });

  it('is shared by all who read from one store', () => {
    const clock = new SimulatedClock(0);
    const [a, b] = [new MemoryStore({ clock }), new MemoryStore({ clock })];
    expect(HedgedReads.of(a, clock)).toBe(HedgedReads.of(a, clock));
    expect(HedgedReads.of(a, clock)).not.toBe(HedgedReads.of(b, clock));
    expect(HedgedReads.of(a, new SimulatedClock(0))).not.toBe(HedgedReads.of(b, clock));
  });
});

describe('the slowest of many', () => {
  it('is far sooner, for a tenth more requests at most', async () => {
    for (const [latency, side, what, times] of [
      [ONE_IN_TWENTY, 1, 'p99', 2],
      [ONE_IN_TWENTY, 16, 'p50', 2],
      [LOGNORMAL, 16, 'p99', 2],
      [LOGNORMAL, 256, 'p99', 3],
      [FREE_LOGNORMAL, 2_300, 'p50', 2],
    ] as const) {
      const rounds = Math.ceil(Math.max(4, Math.min(1_000, 8_000 / side)));
      const without = await slowestOf(latency, { side, rounds, hedged: false });
      const hedged = await slowestOf(latency, { side, rounds, hedged: true });
      expect(without[what] / hedged[what], `${side} side by side`).toBeGreaterThan(times);
      expect(hedged.more).toBeGreaterThan(0.01);
      expect(hedged.more).toBeLessThanOrEqual(0.1);
    }
  });
});
