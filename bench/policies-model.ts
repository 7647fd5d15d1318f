/**
 * A modelled store of state: real manifests, real edits, real picking and cutting, and SSTs of which there are sizes, ranges and
 * keys, but no bytes. So a hundred million entries that are written take seconds, and what is counted is exact: bytes written, read
 * and held, SSTs and blocks that a read has to look at.
 *
 * An entry is one number: table (1 bit), time (10 bits), key (20 bits), and in the lowest bit whether it is a tombstone.
 */
import { OutputCuts } from '../lib/commit/output-cuts.ts';
import { bytesOf, type Compaction, olderThan } from '../lib/commit/pick-compaction.ts';
import type { Forgotten } from '../lib/log/forgotten.ts';
import { forgottenByBoth } from '../lib/log/forgotten.ts';
import { applyEdit } from '../lib/manifest/apply-edit.ts';
import { type Edit, isConflict } from '../lib/manifest/edit.ts';
import { EMPTY_MANIFEST, type Manifest, type SstRef, sstsOf } from '../lib/manifest/manifest.ts';
import { addressPrefix, type TableKind } from '../lib/state/address.ts';
import { forgottenKeys } from '../lib/state/floors.ts';

/** What is due in a manifest. */
export type Picker = (manifest: Manifest) => Compaction | undefined;

export interface Fold {
  /** Ascending, without duplicates but for the lowest bit. */
  readonly entries: Uint32Array;
  readonly forgotten: Forgotten;
}

export interface Policy {
  readonly name: string;
  readonly pick: Picker;
  readonly sstBytes: number;
  /** Outputs end where times do, too. */
  readonly cutsTimes: boolean;
}

export interface ModelOptions {
  readonly kinds: readonly TableKind[];
  /** Of an entry in an SST. */
  readonly entryBytes: number;
  readonly policy: Policy;
}

export interface Written {
  readonly foldedBytes: number;
  readonly writtenBytes: number;
  readonly readBytes: number;
  readonly largestReadBytes: number;
  readonly gets: number;
  readonly compactions: number;
}

const NOTHING = new Uint32Array();
const FALSE_POSITIVES = 0.01;

export function entryOf(table: number, time: number, key: number): number {
  return ((table << 31) | (time << 21) | (key << 1)) >>> 0;
}

export class ModelStore {
  readonly #options: ModelOptions;
  readonly #entries = new Map<string, Uint32Array>();
  #manifest: Manifest = EMPTY_MANIFEST;
  #ids = 0;
  #foldedBytes = 0;
  #writtenBytes = 0;
  #readBytes = 0;
  #largestReadBytes = 0;
  #gets = 0;
  #compactions = 0;

  constructor(options: ModelOptions) {
    this.#options = options;
  }

  get manifest(): Manifest {
    return this.#manifest;
  }

  get written(): Written {
    return {
      foldedBytes: this.#foldedBytes,
      writtenBytes: this.#writtenBytes,
      readBytes: this.#readBytes,
      largestReadBytes: this.#largestReadBytes,
      gets: this.#gets,
      compactions: this.#compactions,
    };
  }

  /** Counts anew: what fills the state is not what it costs. */
  startCounting(): void {
    this.#foldedBytes = 0;
    this.#writtenBytes = 0;
    this.#readBytes = 0;
    this.#largestReadBytes = 0;
    this.#gets = 0;
    this.#compactions = 0;
  }

  /** Folds a batch, and does what is due after it. */
  fold({ entries, forgotten }: Fold): void {
    const { through } = this.#manifest;
    const gone = new Gone(forgottenByBoth(this.#manifest.forgotten ?? [], forgotten));
    const kept = entries.filter((entry) => !gone.has(entry));
    const sst = kept.length === 0 ? null : this.#made(kept, through + 1, through + 1);
    this.#foldedBytes += sst?.size ?? 0;
    this.#writtenBytes += sst?.size ?? 0;
    this.#apply({
      ...{ type: 'fold', after: through, through: through + 1, logHash: '', sst, writtenAfterMs: 1 },
      ...{ publishedThrough: through + 1, forgotten },
    });
    const { pick } = this.#options.policy;
    for (let due = pick(this.#manifest); due !== undefined; due = pick(this.#manifest)) this.#compact(due);
  }

  /** Blocks and SSTs to look at for one entry that is there or not. */
  look(entry: number): { readonly ssts: number; readonly blocks: number } {
    let ssts = 0;
    for (const sst of sstsOf(this.#manifest)) {
      const entries = this.#entries.get(sst.id)!;
      if (key(entry) < key(entries[0]!) || key(entry) > key(entries.at(-1)!)) continue;
      ssts++;
      if (indexOf(entries, entry) >= 0) return { ssts, blocks: 1 + FALSE_POSITIVES * (ssts - 1) };
    }
    return { ssts, blocks: FALSE_POSITIVES * ssts };
  }

  /** SSTs that a scan from an entry up to another has to look at, and what it reads of them. */
  scan(from: number, upTo: number): { readonly ssts: number; readonly bytes: number; readonly rows: number } {
    let [ssts, entries] = [0, 0];
    let rows: Uint32Array = NOTHING;
    for (const { id } of sstsOf(this.#manifest)) {
      const all = this.#entries.get(id)!;
      const within = all.subarray(lowerBound(all, from), lowerBound(all, upTo + 2));
      if (within.length === 0) continue;
      ssts++;
      entries += within.length;
      rows = merged(rows, within);
    }
    return { ssts, bytes: entries * this.#options.entryBytes, rows: rows.length };
  }

  get bytes(): number {
    return bytesOf(sstsOf(this.#manifest));
  }

  get ssts(): number {
    return sstsOf(this.#manifest).length;
  }

  /** Runs that a point read may have to look at: SSTs of L0, levels. */
  get runs(): number {
    const { l0, levels } = this.#manifest;
    return l0.length + levels.filter((level) => level.length > 0).length;
  }

  #compact(compaction: Compaction): void {
    const { inputs, level, move } = compaction;
    this.#compactions++;
    const outputs = move ? inputs : this.#merge(compaction);
    this.#apply({
      ...{ type: 'compact', inputs: inputs.map((sst) => sst.id), writtenAfterMs: 1, level },
      outputs: [...outputs].sort((a, b) => (a.minKey < b.minKey ? -1 : 1)),
    });
    const named = new Set(sstsOf(this.#manifest).map(({ id }) => id));
    for (const { id } of inputs) if (!named.has(id)) this.#entries.delete(id);
  }

  #merge(compaction: Compaction): SstRef[] {
    const { inputs, level } = compaction;
    const { policy } = this.#options;
    const forgotten = this.#manifest.forgotten ?? [];
    const dropped = forgottenKeys(forgotten);
    const read = inputs.filter(({ minKey, maxKey }) => !dropped.hasAll(minKey, maxKey));
    this.#gets += read.length;
    this.#readBytes += bytesOf(read);
    this.#largestReadBytes = Math.max(this.#largestReadBytes, bytesOf(read));
    const older = olderThan(this.#manifest, compaction).map(({ id }) => this.#entries.get(id)!);
    const gone = new Gone(forgotten);
    const hides = (entry: number): boolean =>
      older.some((of) => key(of[0]!) <= key(entry) && key(entry) <= key(of.at(-1)!));
    let all: Uint32Array = NOTHING;
    // Oldest first: runs that are side by side make a longer one.
    for (const { id } of [...read].reverse()) all = merged(this.#entries.get(id)!, all);
    const kept = all.filter((entry) => !gone.has(entry) && ((entry & 1) === 0 || hides(entry)));
    const to = Math.max(...inputs.map((sst) => sst.to));
    const from = Math.min(...inputs.map((sst) => sst.from));
    const sstBytes = level === 0 ? Number.POSITIVE_INFINITY : policy.sstBytes;
    return this.#cut(kept, new OutputCuts(sstBytes, policy.cutsTimes ? forgotten : [])).map((part) => {
      const sst = this.#made(part, from, to);
      this.#writtenBytes += sst.size;
      return sst;
    });
  }

  #cut(entries: Uint32Array, cuts: OutputCuts): Uint32Array[] {
    const { entryBytes } = this.#options;
    const parts: Uint32Array[] = [];
    let start = 0;
    for (let i = 1; i < entries.length; i++) {
      const bytes = (i - start) * entryBytes;
      if (!cuts.mayEnd(bytes)) continue;
      const [last, next] = [entries[i - 1]!, entries[i]!];
      const [a, b] = [last, next].map((entry) => Buffer.from(this.#text(entry), 'latin1'));
      if (!cuts.endsBetween(a!, 0, b!, 0, bytes)) continue;
      parts.push(entries.slice(start, i));
      start = i;
    }
    if (start < entries.length) parts.push(entries.slice(start));
    return parts;
  }

  #made(entries: Uint32Array, from: number, to: number): SstRef {
    const id = `sst${++this.#ids}`;
    this.#entries.set(id, entries);
    const size = entries.length * this.#options.entryBytes;
    let tombstones = 0;
    for (const entry of entries) tombstones += entry & 1;
    const bounds = { minKey: this.#text(entries[0]!), maxKey: this.#text(entries.at(-1)!) };
    return { id, size, metaOffset: 0, indexOffset: 0, entries: entries.length, tombstones, ...bounds, from, to };
  }

  #text(entry: number): string {
    const table = entry >>> 31;
    const prefix = addressPrefix(table, this.#options.kinds[table]!, (entry >>> 21) & 1023);
    const number = key(entry) & 0xfffff;
    return prefix + String.fromCharCode(number >>> 16, (number >>> 8) & 255, number & 255);
  }

  #apply(edit: Edit): void {
    const next = applyEdit(this.#manifest, edit, { nonce: String(this.#manifest.version), seenAtMs: 0 });
    if (isConflict(next)) throw new Error(`${next.conflict}: ${next.reason}`);
    this.#manifest = { ...next, folds: [] };
  }
}

/** What is forgotten, by entry. */
class Gone {
  /** By table: entries less than this are. */
  readonly #ends = [0, 0];

  constructor(forgotten: Forgotten) {
    for (const [table, upTo] of forgotten) this.#ends[table] = entryOf(table, upTo + 1, 0);
  }

  has(entry: number): boolean {
    return entry < this.#ends[entry >>> 31]!;
  }
}

/** Without the mark of a tombstone. */
function key(entry: number): number {
  return entry >>> 1;
}

/** One run of both; of an entry that is in both, that of the newer. */
export function merged(newer: Uint32Array, older: Uint32Array): Uint32Array {
  if (older.length === 0 || newer.length === 0) return older.length === 0 ? newer : older;
  const all = new Uint32Array(newer.length + older.length);
  let [i, k, end] = [0, 0, 0];
  while (i < newer.length && k < older.length) {
    const [a, b] = [newer[i]! >>> 1, older[k]! >>> 1];
    if (a <= b) all[end++] = newer[i++]!;
    else all[end++] = older[k++]!;
    if (a === b) k++;
  }
  const [rest, from] = i < newer.length ? [newer, i] : [older, k];
  all.set(rest.subarray(from), end);
  return all.subarray(0, end + rest.length - from);
}

/** Where the first entry of this key or a greater one is. */
function lowerBound(entries: Uint32Array, entry: number): number {
  let [from, to] = [0, entries.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (key(entries[middle]!) < key(entry)) from = middle + 1;
    else to = middle;
  }
  return from;
}

function indexOf(entries: Uint32Array, entry: number): number {
  const at = lowerBound(entries, entry);
  return at < entries.length && key(entries[at]!) === key(entry) ? at : -1;
}
