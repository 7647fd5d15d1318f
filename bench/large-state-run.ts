/**
 * One cell of the benchmarks of large state: a job opens on prepared state as after a restart and is given rows in small pieces, by a
 * timetable that does not wait for it. It runs as `misa run` does, by the same loop, with its commit side in a thread of its own.
 *
 * A batch's latency counts from when its last row is due until its results are published: a batch that waits because the one before
 * was slow counts as slow.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { blockReader } from '../lib/embedded/block-reader.ts';
import type { Engine } from '../lib/embedded/engine.ts';
import { openLocalCache } from '../lib/embedded/local-cache.ts';
import { runJob } from '../lib/embedded/run-job.ts';
import { workerCommitter } from '../lib/embedded/worker-committer.ts';
import { addReads, NO_READS, type ReadCounts } from '../lib/log/read-counts.ts';
import { HedgedReads } from '../lib/object-store/hedged-reads.ts';
import { type LatencyModel, newLink } from '../lib/object-store/latency-store.ts';
import { openStore, type StoreSpec } from '../lib/object-store/store-spec.ts';
import { blocksOf } from '../lib/state/block-source.ts';
import { noCost } from '../lib/state/read-cost.ts';
import { systemClock as clock } from '../lib/util/clock.ts';
import { systemRandom as random, seededRandom } from '../lib/util/random.ts';
import type { Span } from '../lib/util/trace.ts';
import { CountingStore, type RequestCounts } from './counting-store.ts';
import { type KeyOrder, largeJob, Rows, SOURCE } from './large-state-job.ts';
import { copyState, prepareState } from './large-state-state.ts';
import { statusMb } from './measure.ts';

export interface LargeArgs {
  /** Of the state's lowest level. */
  readonly stateBytes: number;
  readonly mode: 'async' | 'sync';
  readonly preload: 'off' | 'keys';
  /** Budget of rows in memory, and of blocks on the disk. */
  readonly rowBytes: number;
  readonly blockBytes: number;
  readonly order: KeyOrder;
  /** Of a batch. */
  readonly rows: number;
  /** A batch every so many ms; 0: as fast as it goes. */
  readonly intervalMs: number;
  /** How long to measure at least, and for how many batches at least. */
  readonly seconds: number;
  readonly batches: number;
  /** Batches before those that count; and how near nearly all of their rows must be at the end of them. */
  readonly warmUp: number;
  readonly warmTo: 'memory' | 'none';
  /** All blocks are read into the local cache first, as far as its budget goes. */
  readonly warmBlocks: boolean;
  readonly latency: LatencyModel;
  readonly seed: number;
  /** Batches that are given in all; default: as many as it takes. */
  readonly given?: number | undefined;
  /** A store and a block cache that are there, and stay; default: new ones. */
  readonly directory?: string | undefined;
  /** Ends without an end: by SIGKILL, after the last batch. */
  readonly killed?: boolean | undefined;
}

/** Sums over the batches that count; times in ms. */
export interface LargeRun {
  /** By batch. */
  readonly latencyMs: readonly number[];
  /** Of all batches that count, from the first one's trigger to the last one's results. */
  readonly wallMs: number;
  /** Time on a processor: of the thread that runs batches, and of all threads. */
  readonly mainCpuMs: number;
  readonly cpuMs: number;
  /** Share of the time in which the event loop was busy, 0 to 1. */
  readonly busy: number;
  readonly reads: ReadCounts;
  /** Of the thread that runs batches; the commit thread's are in `commit`. */
  readonly requests: RequestCounts;
  readonly lag: number;
  /** Of the commit side: how many, how long in sum, bytes that compactions have read, and L0 SSTs at the end. */
  readonly commit: {
    readonly folds: number;
    readonly compactions: number;
    readonly compactMs: number;
    readonly compactedBytes: number;
    readonly l0: number;
  };
  /** Waits of batches for the commit side, and of what lies before batches for preloading. */
  readonly waitMs: number;
  readonly preloadMs: number;
  /** The most at the end of any batch, MB (10^6 bytes). */
  readonly residentMb: number;
  readonly anonymousMb: number;
  /** Of all SSTs, at the end. */
  readonly storedBytes: number;
  /** From opening the job to the first batch's results, with what was asked of the store for it. */
  readonly first: { readonly ms: number; readonly requests: RequestCounts; readonly reads: ReadCounts };
}

/** Pieces that a batch comes in. */
const PIECES = 20;
const MOST_WARM_UP = 80;
/** Batches by the timetable that do not count: what the warm-up has left behind, compactions above all, is done by then. */
const SETTLING = 5;
const RETENTION_MS = 15 * 60_000;

export async function measureLarge(args: LargeArgs): Promise<LargeRun> {
  const state = await prepareState(args.stateBytes);
  if (args.directory !== undefined) return new Cell(args, state.keys, args.directory).run();
  const directory = mkdtempSync(path.join(tmpdir(), 'misa-bench-'));
  try {
    await copyState(state, storeIn(directory), args.mode);
    return await new Cell(args, state.keys, directory).run();
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Where a cell's directory has its store, and its block cache. */
export const storeIn = (directory: string): string => path.join(directory, 'store');
export const cacheIn = (directory: string): string => path.join(directory, 'cache');

interface Books {
  readonly atMs: number;
  readonly mainCpuMs: number;
  readonly cpu: NodeJS.CpuUsage;
  readonly loop: ReturnType<typeof performance.eventLoopUtilization>;
  readonly requests: RequestCounts;
}

class Cell {
  readonly #args: LargeArgs;
  readonly #rows: Rows;
  readonly #spec: StoreSpec;
  readonly #cacheRoot: string;
  readonly #spans: Span[] = [];
  readonly #latencyMs: number[] = [];
  #reads = NO_READS;
  readonly #stop = new AbortController();
  #store!: CountingStore;
  #engine!: Engine;
  #openedMs = 0;
  #first: LargeRun['first'] | undefined;
  #done = 0;
  /** Batches since the warm-up. */
  #timed = 0;
  #lastMs = 0;
  #lag = 0;
  #residentMb = 0;
  #anonymousMb = 0;
  /** When the timetable's first batch begins; `undefined`: the job is warming up. */
  #beganMs: number | undefined;
  #begins!: () => void;
  readonly #warm = new Promise<void>((resolve) => (this.#begins = resolve));
  #from: Books | undefined;
  #to: Books | undefined;

  constructor(args: LargeArgs, keys: number, directory: string) {
    this.#args = args;
    this.#rows = new Rows(keys, args.order, args.seed);
    // The commit thread's bytes go over the same link.
    this.#spec = { kind: 'directory', path: storeIn(directory), latency: { ...args.latency, link: newLink() } };
    this.#cacheRoot = cacheIn(directory);
  }

  async run(): Promise<LargeRun> {
    const { args, trace, services } = this.#setUp();
    this.#openedMs = clock.monotonic();
    const cache = openLocalCache(
      { store: this.#spec, cacheRoot: this.#cacheRoot, cacheBytes: args.blockBytes },
      services,
    );
    this.#store = new CountingStore(await openStore(this.#spec, { clock, random: seededRandom(args.seed) }));
    const reader = blockReader(this.#spec, blocksOf(HedgedReads.of(this.#store, clock)), services.onTrouble);
    await runJob(largeJob(args), {
      store: this.#store,
      blocks: reader,
      clock,
      random,
      trace,
      cache: cache?.blocks,
      retentionMs: RETENTION_MS,
      stop: this.#stop.signal,
      committer: (context) => workerCommitter(this.#spec, context),
      inputs: new Map(),
      streams: new Map([
        [
          SOURCE,
          { name: `feed ${args.seed}`, from: this.#pieces(), format: 'ndjson' as const, compression: 'none' as const },
        ],
      ]),
      onOpen: async (engine) => {
        this.#engine = engine;
        if (!args.warmBlocks) return;
        for await (const _ of engine.stages[0]![0]!.state.reads.scan('', undefined, noCost()));
        this.#openedMs = clock.monotonic();
      },
      onBatch: (done) => this.#batchDone(done.reads),
    });
    await reader.close();
    await cache?.close();
    this.#from ??= this.#books();
    this.#to ??= this.#books();
    return this.#result();
  }

  #setUp() {
    const troubles = new Set<string>();
    const onTrouble = (what: string, error: unknown): void => {
      if (!troubles.has(what)) console.error(what, error);
      troubles.add(what);
    };
    const trace = { span: (span: Span) => void this.#spans.push(span), trouble: onTrouble };
    return { args: this.#args, trace, services: { clock, random, onTrouble } };
  }

  /** While it warms up, and where it is to go as fast as it can, rows are there when they are asked for. */
  async *#pieces(): AsyncGenerator<Buffer> {
    const { rows, warmUp, intervalMs, given = Number.POSITIVE_INFINITY } = this.#args;
    const piece = rows / PIECES;
    const first = intervalMs === 0 ? given : warmUp;
    for (let i = 0; this.#beganMs === undefined && i < first * PIECES; i++) {
      yield this.#rows.piece(piece);
    }
    if (intervalMs > 0) await this.#warm;
    for (let i = 1; !this.#stop.signal.aborted && given === Number.POSITIVE_INFINITY; i++) {
      const bytes = this.#rows.piece(piece);
      const early = intervalMs === 0 ? 0 : this.#beganMs! + (i * intervalMs) / PIECES - clock.monotonic();
      if (early > 0) await clock.sleep(early, this.#stop.signal).catch(() => {});
      yield bytes;
    }
  }

  #batchDone(reads: ReadCounts): void {
    const { warmUp, intervalMs, seconds, batches } = this.#args;
    const nowMs = clock.monotonic();
    this.#done++;
    this.#first ??= { ms: nowMs - this.#openedMs, requests: this.#store.counts, reads };
    if (this.#done < warmUp || this.#to !== undefined) return;
    if (this.#beganMs === undefined) {
      if (intervalMs === 0 && !this.#isWarm(reads) && this.#done < MOST_WARM_UP) return;
      this.#from = this.#books();
      this.#beganMs = this.#lastMs = nowMs;
      this.#begins();
      return;
    }
    const i = ++this.#timed;
    const settling = intervalMs === 0 ? 0 : SETTLING;
    if (i === settling) this.#from = this.#books();
    if (i <= settling) return;
    this.#latencyMs.push(nowMs - (intervalMs === 0 ? this.#lastMs : this.#beganMs + i * intervalMs));
    this.#lastMs = nowMs;
    this.#lag = Math.max(this.#lag, this.#engine.commitLag);
    this.#reads = addReads(this.#reads, reads);
    this.#lookAtMemory();
    if (nowMs - this.#beganMs < seconds * 1000 || i < settling + batches) return;
    this.#to = this.#books();
    if (this.#args.killed) process.kill(process.pid, 'SIGKILL');
    this.#stop.abort();
  }

  #isWarm({ memory, lmdb, store }: ReadCounts): boolean {
    return this.#args.warmTo === 'none' || lmdb + store <= 0.02 * (memory + lmdb + store);
  }

  #books(): Books {
    return {
      atMs: clock.monotonic(),
      mainCpuMs: mainThreadCpuMs(),
      cpu: process.cpuUsage(),
      loop: performance.eventLoopUtilization(),
      requests: this.#store.counts,
    };
  }

  #lookAtMemory(): void {
    this.#residentMb = Math.max(this.#residentMb, statusMb('VmRSS') ?? 0);
    this.#anonymousMb = Math.max(this.#anonymousMb, statusMb('RssAnon') ?? 0);
  }

  #result(): LargeRun {
    const [from, to] = [this.#from!, this.#to!];
    const within = this.#spans.filter((s) => s.path !== 'planner' && s.startMs >= from.atMs && s.startMs <= to.atMs);
    const lane = (name: Span['lane']): Span[] => within.filter((s) => s.lane === name);
    const msOf = (spans: readonly Span[]): number => spans.reduce((sum, s) => sum + s.endMs - s.startMs, 0);
    const compactions = lane('compact');
    const bytesOf = (s: Span): number => Number(s.detail?.['bytes'] ?? 0);
    return {
      latencyMs: this.#latencyMs,
      wallMs: to.atMs - from.atMs,
      mainCpuMs: to.mainCpuMs - from.mainCpuMs,
      cpuMs: (to.cpu.user + to.cpu.system - from.cpu.user - from.cpu.system) / 1000,
      busy: performance.eventLoopUtilization(to.loop, from.loop).utilization,
      reads: this.#reads,
      requests: difference(to.requests, from.requests),
      lag: this.#lag,
      commit: {
        folds: lane('fold').length,
        compactions: compactions.length,
        compactMs: msOf(compactions),
        l0: this.#engine.stages[0]![0]!.state.manifest.l0.length,
        compactedBytes: compactions.reduce((sum, s) => sum + bytesOf(s), 0),
      },
      waitMs: msOf(lane('wait')),
      preloadMs: msOf(lane('preload')),
      residentMb: this.#residentMb,
      anonymousMb: this.#anonymousMb,
      storedBytes: this.#engine.stateSize.bytes,
      first: this.#first!,
    };
  }
}

function difference(a: RequestCounts, b: RequestCounts): RequestCounts {
  return {
    readTrips: a.readTrips - b.readTrips,
    gets: a.gets - b.gets,
    puts: a.puts - b.puts,
    bytesRead: a.bytesRead - b.bytesRead,
    bytesWritten: a.bytesWritten - b.bytesWritten,
  };
}

/** Time of the main thread on a processor, by the kernel's account, ms. */
function mainThreadCpuMs(): number {
  return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'latin1').split(' ')[0]) / 1e6;
}
