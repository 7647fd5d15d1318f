/** How long the slowest of reads that begin together takes, in simulated time: of one seed the same everywhere. */
import { HedgedReads, type RangeReads } from '../../lib/object-store/hedged-reads.ts';
import { type LatencyModel, LatencyStore, type RequestLatency } from '../../lib/object-store/latency-store.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { seededRandom } from '../../lib/util/random.ts';
import { SimulatedClock } from './simulated-clock.ts';

/** 20 ms, one of twenty five times that. */
export const ONE_IN_TWENTY = ownLink({ medianMs: 20, sigma: 0, tailProbability: 0.05, tailFactor: 5 });
/** Lognormal: the 99th percentile is ten times the median; all on one link. */
export const LOGNORMAL: LatencyModel = {
  ...ownLink({ medianMs: 15, sigma: Math.LN10 / 2.326, tailProbability: 0, tailFactor: 1 }),
  bytesPerSecond: 90_000_000,
  shared: true,
};

/** The same, and what many read side by side does not hold up any of them. */
export const FREE_LOGNORMAL: LatencyModel = { ...LOGNORMAL, bytesPerSecond: null, shared: false };

export interface Slowest {
  /** Percentiles over the rounds, ms. */
  readonly p50: number;
  readonly p99: number;
  /** Requests beyond the reads, for each read. */
  readonly more: number;
}

/** Rounds before those that count, in which hedging learns what is usual, and saves up. */
const WARM_UP = 4;

/** @param side reads that begin together @param bytes of each */
export async function slowestOf(
  latency: LatencyModel,
  { side, rounds, hedged, bytes = 16_384 }: { side: number; rounds: number; hedged: boolean; bytes?: number },
): Promise<Slowest> {
  const clock = new SimulatedClock(0);
  const memory = new MemoryStore({ clock });
  await memory.create('sst', new Uint8Array(bytes));
  const store = new LatencyStore(memory, latency, { clock, random: seededRandom(3) });
  const reads: RangeReads = hedged ? new HedgedReads(store, clock) : store;
  const times: number[] = [];
  let more = 0;
  const options = { range: { offset: 0, length: bytes }, onHedge: () => void more++ };
  for (let round = -WARM_UP; round < rounds; round++) {
    if (round === 0) more = 0;
    const startMs = clock.monotonic();
    let left = side;
    const all = Promise.all(
      Array.from({ length: side }, async () => {
        await reads.get('sst', options);
        left--;
      }),
    );
    await clock.run(() => left === 0);
    await all;
    if (round >= 0) times.push(clock.monotonic() - startMs);
  }
  times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.ceil(share * rounds) - 1]!;
  return { p50: at(0.5), p99: at(0.99), more: more / (side * rounds) };
}

function ownLink(get: RequestLatency): LatencyModel {
  return { get, put: get, list: get, bytesPerSecond: null, shared: false };
}
