import { describe, expect, it } from 'vitest';
import {
  constantLatency,
  drawLatencyMs,
  type LatencyModel,
  LatencyStore,
  newLink,
  s3Like,
} from '../../lib/object-store/latency-store.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { ManualClock, systemClock } from '../../lib/util/clock.ts';
import { seededRandom } from '../../lib/util/random.ts';
import { listAll } from '../helpers/stores.ts';
import { bytes, objectStoreContract } from './contract.ts';

objectStoreContract('latency over memory', async () => {
  const options = { clock: systemClock, random: seededRandom(1) };
  return new LatencyStore(new MemoryStore(options), constantLatency(0.2), options);
});

/** Moves the clock on by 1 ms at a time until all have ended; gives each one's duration, ms. */
async function durations(clock: ManualClock, requests: (() => Promise<unknown>)[]): Promise<number[]> {
  let ended = 0;
  const took = requests.map(async (request) => {
    const start = clock.monotonic();
    await request();
    ended++;
    return clock.monotonic() - start;
  });
  while (ended < requests.length) {
    await new Promise((resolve) => setImmediate(resolve));
    if (ended < requests.length) clock.advance(1);
  }
  return Promise.all(took);
}

function setUp(model: LatencyModel) {
  const clock = new ManualClock();
  const memory = new MemoryStore({ clock });
  return { clock, memory, store: new LatencyStore(memory, model, { clock, random: seededRandom(7) }) };
}

describe('the latency store', () => {
  it('takes the model’s time for a request, and answers concurrent ones side by side', async () => {
    const { clock, store } = setUp(constantLatency(20));
    expect(await durations(clock, [() => store.create('a', bytes('1'))])).toEqual([20]);
    expect(await durations(clock, [() => store.get('a'), () => store.get('b')])).toEqual([20, 20]);
    expect(await durations(clock, [() => listAll(store, '')])).toEqual([20]);
  });

  it('takes effect half-way', async () => {
    const { clock, memory, store } = setUp(constantLatency(20));
    const created = store.create('a', bytes('1'));
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(9);
    await new Promise((resolve) => setImmediate(resolve));
    expect((await memory.get('a')).found).toBe(false);
    clock.advance(1);
    await new Promise((resolve) => setImmediate(resolve));
    expect((await memory.get('a')).found).toBe(true);
    await durations(clock, [() => created]);
  });

  it('has no effect if it is aborted on its way there', async () => {
    const { clock, memory, store } = setUp(constantLatency(20));
    const controller = new AbortController();
    const created = store.create('a', bytes('1'), { signal: controller.signal });
    controller.abort(new Error('given up'));
    await expect(created).rejects.toThrow('given up');
    clock.advance(100);
    expect((await memory.get('a')).found).toBe(false);
  });

  it('shares a link, or gives each request its own', async () => {
    const body = new Uint8Array(50_000);
    for (const [shared, expected] of [
      [true, [60, 110]],
      [false, [60, 60]],
    ] as const) {
      const { clock, store } = setUp({ ...constantLatency(10), bytesPerSecond: 1_000_000, shared });
      const writes = [() => store.create('a', body), () => store.create('b', body)];
      expect(await durations(clock, writes)).toEqual(expected);
      expect(await durations(clock, [() => store.get('a'), () => store.get('b')])).toEqual(expected);
      expect(await durations(clock, [() => store.get('a', { range: { offset: 0, length: 10_000 } })])).toEqual([20]);
    }
  });

  it('shares a link with other stores that are given the same', async () => {
    const model = { ...constantLatency(10), bytesPerSecond: 1_000_000, shared: true, link: newLink() };
    const { clock, memory, store } = setUp(model);
    const other = new LatencyStore(memory, model, { clock, random: seededRandom(8) });
    const body = new Uint8Array(50_000);
    expect(await durations(clock, [() => store.create('a', body), () => other.create('b', body)])).toEqual([60, 110]);
  });

  it('asks for lists of more than 1,000 objects page by page', async () => {
    const { clock, memory, store } = setUp(constantLatency(5));
    for (let i = 0; i < 2500; i++) await memory.create(`a/${i}`, bytes('1'));
    expect(await durations(clock, [() => listAll(store, '')])).toEqual([15]);
  });

  it('draws from a lognormal distribution with a tail, the same for the same seed', () => {
    const random = seededRandom(3);
    const draws = Array.from({ length: 20_000 }, () => drawLatencyMs(s3Like.get, random)).sort((a, b) => a - b);
    const { medianMs, sigma } = s3Like.get;
    expect(draws[10_000]).toBeGreaterThan(medianMs * 0.97);
    expect(draws[10_000]).toBeLessThan(medianMs * 1.03);
    expect(draws[19_000]! / medianMs).toBeGreaterThan(Math.exp(sigma * 1.6));
    expect(draws[19_950]! / medianMs).toBeGreaterThan(4);
    expect(drawLatencyMs(s3Like.put, seededRandom(5))).toBe(drawLatencyMs(s3Like.put, seededRandom(5)));
  });

  it('is described by plain data', () => {
    expect(JSON.parse(JSON.stringify(s3Like))).toEqual(s3Like);
    expect(structuredClone(constantLatency(20))).toEqual(constantLatency(20));
  });
});
