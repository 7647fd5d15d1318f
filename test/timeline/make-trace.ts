/** Runs as the engine would record them, with plausible times: one machine, an object store of 20 ms a request. */
import type { RunTrace } from '../../lib/timeline/read-trace.ts';
import { seededRandom } from '../../lib/util/random.ts';
import type { Lane, Span } from '../../lib/util/trace.ts';

export interface MakeTraceOptions {
  readonly commit: 'async' | 'sync';
  readonly batches: number;
  readonly partitions?: number;
  readonly foldEvery?: number;
  readonly seed?: number;
}

export function makeTrace({ commit, batches, partitions = 2, foldEvery = 4, seed = 1 }: MakeTraceOptions): RunTrace {
  const random = seededRandom(seed);
  const about = (ms: number, spread = 0.15): number => ms * (1 + spread * (random.next() + random.next() - 1) * 2);
  const request = (): number => (random.next() < 0.01 ? about(90) : about(20));
  const spans: Span[] = [];
  const add = (lane: Lane, path: string, n: number, startMs: number, ms: number, detail?: Span['detail']): number => {
    spans.push({ lane, path, n, startMs, endMs: startMs + ms, detail });
    return startMs + ms;
  };
  const committerFree = Array.from({ length: partitions }, () => 0);
  let startMs = 3;
  for (let n = 1; n <= batches; n++) {
    add('plan', 'planner', n, startMs, request() + request(), { rows: 20_000 });
    if (commit === 'async' && n % 8 === 0) add('fold', 'planner', n, startMs + 30, about(45));
    let doneMs = startMs;
    for (let p = 0; p < partitions; p++) {
      const path = `s0/p${p}`;
      const cold = n < 4 ? 5 - n : 1;
      const lmdb = Math.round(about(700 * cold));
      const detail = {
        rows: 20_000 / partitions,
        memory: 19_000 - lmdb,
        lmdb,
        warm: n === 1 ? 0 : 60,
        store: n < 3 ? 40 : 2,
        requests: 3,
      };
      const computedMs = add('batch', path, n, startMs + random.next() * 2, about(46) + (n < 3 ? 40 : 0), detail);
      const durableMs = add('log', path, n, computedMs, request(), { bytes: Math.round(about(410_000)) });
      add('preload', path, n + 1, computedMs + 1, about(14), { blocks: Math.round(about(24)), bytes: 390_000 });
      let endMs: number;
      if (commit === 'sync') {
        let commitMs = add('fold', path, n, computedMs, about(24) + 2 * request(), { entries: 1, bytes: 400_000 });
        if (n % 8 === 0)
          commitMs = add('compact', path, 0, commitMs, about(90) + 2 * request(), { inputs: 8, bytes: 3_200_000 });
        endMs = add('publish', path, n, Math.max(durableMs, commitMs), request());
      } else {
        endMs = add('publish', path, n, durableMs, request());
        if ((n + p * 2) % foldEvery === 0) {
          const fold = add('fold', path, n, Math.max(durableMs, committerFree[p]!), about(60) + 3 * request(), {
            entries: foldEvery,
            bytes: 1_600_000,
          });
          committerFree[p] = fold;
          if ((n + p * 2) % (foldEvery * 4) === 0)
            committerFree[p] = add('compact', path, 0, fold, about(180) + 3 * request(), {
              inputs: 4,
              bytes: 6_400_000,
            });
        }
      }
      doneMs = Math.max(doneMs, endMs);
    }
    startMs = doneMs + about(2);
  }
  spans.sort((a, b) => a.startMs - b.startMs);
  return {
    run: '1767225600000-abcdef01',
    startedAtMs: 1_767_225_600_000,
    info: { commit, batchRows: 20_000, latency: '20 ms' },
    spans,
    gaps: 0,
  };
}
