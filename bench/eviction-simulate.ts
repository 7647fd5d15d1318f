/**
 * A recorded job with a memory of so many bytes under a policy: what is found there, and what has to be read from below. A row that
 * is written stays until an SST holds it; one that the present batch touches stays until the batch ends.
 */
import type { MakePolicy, Policy, Rows } from './eviction-policies.ts';
import type { RecordedJob } from './eviction-record.ts';

/** Batches to a fold; those after the last one are in no SST yet, and the fold takes a batch's time. */
const FOLD_EVERY = 4;

export interface Simulated {
  /** Reads of rows that are there, by key and by closing scans. */
  readonly reads: number;
  readonly hits: number;
  readonly scanReads: number;
  readonly scanHits: number;
  /** Read from below memory: rows, and the blocks that they lie in, each once a batch. */
  readonly fetchedBytes: number;
  readonly blocks: number;
  /** The most that was held, by the budget. */
  readonly most: number;
}

/** @param dropsUnread rows that were written without being asked for leave when an SST holds them, unless they were read since */
export function simulate(job: RecordedJob, make: MakePolicy, budgetBytes: number, dropsUnread = false): Simulated {
  const memory = new SimulatedMemory(job, make, budgetBytes, dropsUnread);
  for (const n of job.batches.keys()) memory.batch(n);
  return memory.result;
}

class SimulatedMemory implements Rows {
  readonly job: RecordedJob;
  readonly #policy: Policy;
  readonly #budgetBytes: number;
  readonly #dropsUnread: boolean;
  /** By batch. */
  readonly #unread: number[][] = [];
  /** By id: 0 there is none, 1 it is below only, 2 it is in memory. */
  readonly #place: Uint8Array;
  readonly #writtenBy: Int32Array;
  readonly #touchedBy: Int32Array;
  #foldedThrough = -1;
  #n = 0;
  #bytes = 0;
  #isFull = false;
  #most = 0;
  readonly #counts = { reads: 0, hits: 0, scanReads: 0, scanHits: 0, fetchedBytes: 0, blocks: 0 };

  constructor(job: RecordedJob, make: MakePolicy, budgetBytes: number, dropsUnread: boolean) {
    const ids = job.bytes.length;
    this.job = job;
    this.#budgetBytes = budgetBytes;
    this.#dropsUnread = dropsUnread;
    this.#place = new Uint8Array(ids);
    this.#writtenBy = new Int32Array(ids).fill(-1);
    this.#touchedBy = new Int32Array(ids).fill(-1);
    this.#policy = make(this, budgetBytes);
  }

  get result(): Simulated {
    return { ...this.#counts, most: this.#most / this.#budgetBytes };
  }

  free(id: number): boolean {
    return this.#touchedBy[id] !== this.#n && this.#writtenBy[id]! <= this.#foldedThrough;
  }

  batch(n: number): void {
    const { read, scanned, written, gone } = this.job.batches[n]!;
    const counts = n >= this.job.filling;
    this.#n = n;
    this.#fold(Math.floor((n - 1) / FOLD_EVERY) * FOLD_EVERY - 1);
    this.#isFull = false;
    this.#policy.begin?.(n);
    const blocks = new Set<number>();
    const c = this.#counts;
    const look = (id: number): boolean => {
      const hit = this.#place[id] === 2;
      if (hit) this.#policy.use(id);
      else this.#fetch(id, counts ? blocks : undefined);
      this.#touchedBy[id] = n;
      return hit;
    };
    for (const id of read) {
      if (this.#place[id] === 0) {
        // It is known to be absent now: what is written there was asked for.
        this.#touchedBy[id] = n;
        continue;
      }
      const hit = look(id);
      if (!counts) continue;
      c.reads++;
      if (hit) c.hits++;
    }
    for (const id of scanned) {
      if (this.#place[id] === 0) continue;
      const hit = this.#touchedBy[id] === n || look(id);
      if (!counts) continue;
      c.scanReads++;
      if (hit) c.scanHits++;
    }
    const unread: number[] = [];
    for (const id of written) {
      if (this.#touchedBy[id] !== n && this.#place[id] !== 2) unread.push(id);
      this.#writtenBy[id] = n;
      this.#touchedBy[id] = n;
      if (this.#place[id] !== 2) this.#add(id);
    }
    for (const id of gone) {
      if (this.#place[id] === 2) this.#remove(id);
      this.#place[id] = 0;
    }
    this.#unread[n] = unread;
    c.blocks += blocks.size;
    this.#n = n + 1;
    this.#isFull = false;
    this.#policy.begin?.(n);
    this.#makeRoom();
    if (counts) this.#most = Math.max(this.#most, this.#bytes);
  }

  #fold(through: number): void {
    for (let n = this.#foldedThrough + 1; n <= through; n++) {
      if (!this.#dropsUnread) break;
      for (const id of this.#unread[n] ?? []) {
        if (this.#place[id] === 2 && this.#writtenBy[id] === n && this.#touchedBy[id] === n) this.#remove(id);
      }
    }
    this.#foldedThrough = through;
  }

  #fetch(id: number, blocks: Set<number> | undefined): void {
    if (blocks !== undefined) {
      this.#counts.fetchedBytes += this.job.bytes[id]!;
      blocks.add(this.job.blocks[id]!);
    }
    this.#touchedBy[id] = this.#n;
    this.#add(id);
  }

  #add(id: number): void {
    this.#place[id] = 2;
    this.#bytes += this.job.bytes[id]!;
    this.#policy.add(id);
    this.#makeRoom();
  }

  #remove(id: number): void {
    this.#place[id] = 1;
    this.#bytes -= this.job.bytes[id]!;
    this.#policy.remove(id);
  }

  #makeRoom(): void {
    while ((this.#bytes > this.#budgetBytes || this.#policy.leavesMore?.()) && !this.#isFull) {
      const id = this.#policy.victim();
      if (id < 0) this.#isFull = true;
      else this.#remove(id);
    }
  }
}
