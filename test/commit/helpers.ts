/** A partition to test commit work on: a log that is appended to, and the state that manifest and log mean. */

import { type CommitPartition, manifestOf } from '../../lib/commit/partition.ts';
import { encodeChanges } from '../../lib/log/changes.ts';
import { DataLog } from '../../lib/log/data-log.ts';
import { encodeLogEntry } from '../../lib/log/entry.ts';
import type { Forgotten } from '../../lib/log/forgotten.ts';
import { manifestFault } from '../../lib/manifest/check.ts';
import type { Manifest } from '../../lib/manifest/manifest.ts';
import { sstsOf } from '../../lib/manifest/manifest.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { names } from '../../lib/object-store/names.ts';
import type { ObjectStore } from '../../lib/object-store/object-store.ts';
import { sstEntries, verifySst } from '../../lib/sst/verify.ts';
import { forgottenKeys } from '../../lib/state/floors.ts';
import { ManualClock } from '../../lib/util/clock.ts';
import { seededRandom } from '../../lib/util/random.ts';
import { listAll } from '../helpers/stores.ts';

export const R = 60_000;
export const PATH = 's0/p0';
export const NAMES = names('job', 0);

/** Key → value; `null`: a tombstone. */
export type Changes = Readonly<Record<string, string | null>>;
export type State = Record<string, string>;

export interface AppendOptions {
  readonly outputs?: string[];
  readonly publishedThrough?: number;
  /** Of what is not forgotten yet. */
  readonly forgotten?: Forgotten | undefined;
  /** Default: all have. */
  readonly hasRows?: (output: string, n: number) => boolean;
}

export class World {
  readonly clock = new ManualClock(1_000_000);
  readonly memory = new MemoryStore({ clock: this.clock });
  readonly random = seededRandom(1);
  /** What a reader of all batches so far must see. */
  readonly expected = new Map<string, string>();
  /** The same after each batch; [0]: before the first. */
  readonly history: State[] = [{}];
  #n = 0;
  #hash = '';

  get head(): number {
    return this.#n;
  }

  partition(store: ObjectStore = this.memory, retentionMs = R): CommitPartition {
    const log = new DataLog(store, NAMES, PATH);
    return { store, names: NAMES, path: PATH, partition: 0, log, random: this.random, retentionMs };
  }

  /** Commits the next batch. */
  async append(changes: Changes, options: AppendOptions = {}): Promise<number> {
    const n = ++this.#n;
    const { outputs = ['out'], publishedThrough = 0, forgotten, hasRows = () => true } = options;
    const sorted = Object.keys(changes).sort();
    const entries = sorted.map((key) => {
      const value = changes[key]!;
      return { key, value: value === null ? null : Buffer.from(value) };
    });
    for (const key of sorted) {
      const value = changes[key]!;
      if (value === null) this.expected.delete(key);
      else this.expected.set(key, value);
    }
    withoutForgotten(this.expected, forgotten);
    const { bytes, hash } = encodeLogEntry(
      {
        n,
        attempt: `attempt-${n}`,
        planHash: `plan-${n}`,
        previousHash: this.#hash,
        publishedThrough,
        outputs,
        nextPartitions: 0,
        changes: sorted.length,
        forgotten,
        counts: { rows: 0, late: 0, skipped: 0, quarantined: 0, emitted: 0 },
        reads: { memory: 0, lmdb: 0, warm: 0, store: 0, requests: 0 },
      },
      encodeChanges(entries),
      outputs.map((output) => Buffer.from(hasRows(output, n) ? `${output} ${n}\n` : '')),
      [],
    );
    this.#hash = hash;
    await this.memory.create(NAMES.log(PATH, n), bytes);
    this.history.push(this.expectedState());
    return n;
  }

  expectedState(): State {
    return Object.fromEntries([...this.expected].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  async manifest(): Promise<Manifest> {
    return (await manifestOf(this.partition())).manifest;
  }

  /** State(head): the manifest's SSTs, each verified, and the log after them. */
  async state(): Promise<State> {
    const manifest = await this.manifest();
    const fault = manifestFault(manifest);
    if (fault !== undefined) throw new Error(fault);
    const state = new Map(Object.entries(await this.folded(manifest)));
    const log = new DataLog(this.memory, NAMES, PATH);
    for (let n = manifest.through + 1; n <= this.#n; n++) {
      const read = await log.read(n);
      if (!read.found) throw new Error(`log entry ${n} is missing, folded through ${manifest.through}`);
      for (const { key, value } of read.entry.changes()) {
        if (value === null) state.delete(key);
        else state.set(key, Buffer.from(value).toString());
      }
      withoutForgotten(state, read.entry.forgotten);
    }
    return Object.fromEntries([...state].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** What the SSTs of a manifest mean. */
  async folded(manifest: Manifest): Promise<State> {
    const state = new Map<string, string>();
    for (const sst of sstsOf(manifest).reverse()) {
      const answer = await this.memory.get(NAMES.sst(PATH, sst.id));
      if (!answer.found) throw new Error(`SST ${sst.id} is missing`);
      verifySst(sst, answer.body);
      for (const { key, value } of [...sstEntries(sst, answer.body)].flat()) {
        if (value === null) state.delete(key);
        else state.set(key, Buffer.from(value).toString());
      }
    }
    withoutForgotten(state, manifest.forgotten);
    return Object.fromEntries([...state].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** Entries in the SSTs that a manifest names, hidden ones too. */
  async storedKeys(): Promise<string[]> {
    const keys: string[] = [];
    for (const sst of sstsOf(await this.manifest())) {
      const answer = await this.memory.get(NAMES.sst(PATH, sst.id));
      if (answer.found) for (const { key } of [...sstEntries(sst, answer.body)].flat()) keys.push(key);
    }
    return keys;
  }

  /** Ids of the SSTs in the store. */
  async stored(): Promise<string[]> {
    const prefix = NAMES.sstPrefix(PATH);
    return (await listAll(this.memory, prefix)).map(({ name }) => name.slice(prefix.length));
  }

  async logs(): Promise<number[]> {
    const prefix = NAMES.logPrefix(PATH);
    return (await listAll(this.memory, prefix)).map(({ name }) => Number(name.slice(prefix.length)));
  }

  /** Outputs of `output` in the store, in order. */
  async published(output = 'out'): Promise<string[]> {
    const texts: string[] = [];
    for (const { name } of await listAll(this.memory, NAMES.outPrefix(output, 0))) {
      const answer = await this.memory.get(name);
      if (answer.found) texts.push(Buffer.from(answer.body).toString());
    }
    return texts;
  }

  async publish(n: number, output = 'out'): Promise<void> {
    await this.memory.create(NAMES.out(output, 0, n), Buffer.from(`${output} ${n}\n`));
  }
}

function withoutForgotten(state: Map<string, string>, forgotten: Forgotten = []): void {
  const gone = forgottenKeys(forgotten);
  for (const key of state.keys()) if (gone.has(key)) state.delete(key);
}
