/**
 * Step 1 of a batch: where this environment is in the log of its partition. It takes from the objects alone what is committed, and
 * adopts what other attempts have computed.
 */
import { HaltedError } from '../commit/halt.ts';
import { FencedError } from '../errors.ts';
import type { JobContext } from '../job/job-context.ts';
import { brokenChain } from '../log/broken-chain.ts';
import type { DataLog } from '../log/data-log.ts';
import type { LogEntry, LogHeader } from '../log/entry.ts';
import { readTail } from '../log/tail.ts';
import { loadManifest } from '../manifest/manifest-store.ts';
import { assertSamePlan } from '../plan/same-plan.ts';
import type { PartitionState } from '../state/partition-state.ts';
import { noCost } from '../state/read-cost.ts';
import { decodeWarmPack } from '../state/warm-pack.ts';

/** `committed`: batch n is applied here; `next`: it is the next to run; `missing`: batches before it have no log entry. */
export type Standing = 'committed' | 'next' | 'missing';

type WarmRows = ReadonlyMap<string, Uint8Array | null>;

/** On its way for batch n, under the manifest of that version. */
interface WarmPack {
  readonly n: number;
  readonly version: number;
  readonly rows: Promise<WarmRows | undefined>;
}

export class LogFollower {
  readonly #context: JobContext;
  readonly #path: string;
  readonly #state: PartitionState;
  readonly #log: DataLog;
  readonly #onPublished: (through: number) => void;
  /** Nothing is read yet, or what was is not to be trusted: the manifest first. */
  #cold = true;
  /** The last log entry that was found in the log. */
  #adopted: LogHeader | undefined;
  #pack: WarmPack | undefined;

  /** @param onPublished told how far results are out, by manifests and log entries */
  constructor(
    context: JobContext,
    { path, state, log }: { readonly path: string; readonly state: PartitionState; readonly log: DataLog },
    onPublished: (through: number) => void,
  ) {
    this.#context = context;
    this.#path = path;
    this.#state = state;
    this.#log = log;
    this.#onPublished = onPublished;
  }

  /** Where batch n stands. @throws {HaltedError} @throws {CorruptionError} @throws {StoreError} */
  async look(n: number): Promise<Standing> {
    const state = this.#state;
    for (let isRead = false; ; ) {
      if (!this.#cold) {
        if (state.position >= n) return 'committed';
        if (state.position === n - 1 && !this.#isHalted) {
          if (this.#pack?.n !== n) return 'next';
          await this.#unpack(this.#pack);
          continue;
        }
        if (isRead && state.position < n - 1) return 'missing';
      }
      await this.#read(n);
      isRead = true;
    }
  }

  /** Goes to the end of the log. */
  async toEnd(): Promise<void> {
    do await this.#read(Number.POSITIVE_INFINITY);
    while (this.#cold);
  }

  /** Reads the manifest. */
  async reload(): Promise<void> {
    const { store, names } = this.#context;
    const loaded = await loadManifest(store, names.manifest(this.#path));
    this.#checkLayout(loaded.manifest.layoutVersion);
    this.#state.adopt(loaded);
  }

  /** What is known of the log is not to be trusted: the next look begins with the manifest. */
  forget(): void {
    this.#cold = true;
  }

  /** Applies a log entry that is durable but was not computed here. */
  adopt(entry: LogEntry): void {
    const { n, previousHash, publishedThrough, forgotten, layoutVersion } = entry.header;
    this.#checkLayout(layoutVersion);
    // ⚑ chain
    if (previousHash !== this.#state.hash) throw brokenChain(this.#log.nameOf(n), n);
    this.#state.adoptEntry(n, entry.hash, entry.changes(), forgotten);
    this.#adopted = entry.header;
    this.#onPublished(publishedThrough);
  }

  /** ⚑ same-plan, for the last plan. @throws {CorruptionError} the log entry found was made for another plan of that number */
  checkHead(n: number, planHash: string): void {
    if (this.#adopted?.n === n) assertSamePlan(this.#adopted, planHash, this.#log.nameOf(n));
  }

  /**
   * ⚑ newer-layout: rows of a layout that is newer than the one this job was opened with are not read: their slots may be unused, or have no
   * value that its aggregates know. @throws {FencedError}
   */
  #checkLayout(version = 1): void {
    const { name, layoutVersion = 1 } = this.#context.file;
    if (version <= layoutVersion) return;
    throw new FencedError(
      `${this.#path}: job ${name} was run with other columns meanwhile (layout ${version} of its state, this process knows ${layoutVersion}). What is committed is kept; go on with the newer job.`,
    );
  }

  get #isHalted(): boolean {
    return this.#state.manifest.halted !== null && this.#context.triesHalted !== true;
  }

  /** The manifest, then log entries behind it up to n, side by side with the warm pack and what opens SSTs. Stays cold where these say nothing. */
  async #read(n: number): Promise<void> {
    const { store, names, job, retentionMs, triesHalted } = this.#context;
    const state = this.#state;
    const loaded = await loadManifest(store, names.manifest(this.#path));
    this.#checkLayout(loaded.manifest.layoutVersion);
    state.adopt(loaded);
    const { halted, publishedThrough, version } = loaded.manifest;
    if (halted !== null && triesHalted !== true) {
      throw new HaltedError(this.#path, halted);
    }
    this.#onPublished(publishedThrough);
    this.#pack = { n, version, rows: this.#warmPack(n, version) };
    this.#openSsts();
    const end = await readTail(
      {
        next: () => state.position + 1,
        // As many at once as may be unfolded, and one more to see the end.
        atOnce: (from) => Math.min(job.commit.maxLag + 2, n - from + 1),
        read: (m) => this.#log.readEntry(m),
        manifestMs: loaded.dateMs,
        retentionMs,
      },
      (entry) => {
        // The commit side of this environment may have folded it meanwhile, and moved the position on.
        if (entry.header.n === state.position + 1) this.adopt(entry);
      },
    );
    this.#cold = end === 'stale';
  }

  /**
   * Indexes of SSTs come beside the log, so that the batch's first reads of state are blocks. A warm pack saves it most of these. What
   * fails is asked for again by whoever needs it.
   */
  #openSsts(): void {
    const { rows, reads } = this.#state;
    if (rows.complete || this.#context.warmPacks === true) return;
    reads.open(noCost()).catch(() => {});
  }

  /** What a preload function has left for batch n. Advisory: whatever is wrong with it, the batch reads for itself. */
  async #warmPack(n: number, version: number): Promise<WarmRows | undefined> {
    const { store, names, warmPacks, trace } = this.#context;
    if (warmPacks !== true || version === 0 || !Number.isFinite(n)) return undefined;
    const name = names.warm(this.#path, n, version);
    try {
      const answer = await store.get(name);
      return answer.found ? decodeWarmPack(answer.body, name, n, version) : undefined;
    } catch (error) {
      trace.trouble?.('a warm pack could not be used', error);
      return undefined;
    }
  }

  async #unpack({ n, version, rows }: WarmPack): Promise<void> {
    this.#pack = undefined;
    const pack = await rows;
    // ⚑ one-manifest: another one may have come while the pack was read.
    if (pack !== undefined && this.#state.manifest.version === version) this.#state.warmFor(n, pack);
  }
}
