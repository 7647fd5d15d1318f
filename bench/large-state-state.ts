/**
 * State of a job as a long run would have left it, made directly: SSTs in levels, the lowest with every key, those above with newer rows
 * of some, each level three quarters full. It is kept under the system's directory for temporary files and used again; each run
 * works on a copy, in which SSTs are links. All that depends on how state is stored is in this file.
 */
import { copyFileSync, existsSync, linkSync, mkdirSync, mkdtempSync, readdirSync, renameSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { StateSstBuilder } from '../lib/commit/expiry.ts';
import { COMPACTION } from '../lib/commit/pick-compaction.ts';
import { runEmbedded } from '../lib/embedded/embedded.ts';
import { encodeManifest } from '../lib/manifest/codec.ts';
import type { SstRef } from '../lib/manifest/manifest.ts';
import { loadManifest } from '../lib/manifest/manifest-store.ts';
import { DirectoryStore } from '../lib/object-store/directory-store.ts';
import { jobFileName, names, partitionPath } from '../lib/object-store/names.ts';
import type { ObjectStore } from '../lib/object-store/object-store.ts';
import { VERSION } from '../lib/sst/format.ts';
import { addressPrefix } from '../lib/state/address.ts';
import { encodeKey } from '../lib/stream/operators/key.ts';
import { ByteWriter } from '../lib/util/bytes.ts';
import { systemClock as clock } from '../lib/util/clock.ts';
import { decodeEnvelope, encodeEnvelope } from '../lib/util/envelope.ts';
import { packNumbers } from '../lib/util/pack-numbers.ts';
import { systemRandom as random } from '../lib/util/random.ts';
import { largeJob, ROW_NUMBERS, Rows, SOURCE, userOf } from './large-state-job.ts';

/** Of a row in the lowest level, its share of index and filter included. */
export const STORED_ROW_BYTES = 60;
const PATH = partitionPath(0, 0);
const JOB = names('large', 1);
/** Changed when states are made differently. */
const RECIPE = 1;
/** Batches that the job has run before its state is put in. */
const BATCHES = 2;

export interface PreparedState {
  /** Directory of a store. */
  readonly directory: string;
  readonly keys: number;
}

/** The state of so many bytes in its lowest level. */
export async function prepareState(bytes: number): Promise<PreparedState> {
  const keys = Math.round(bytes / STORED_ROW_BYTES);
  const root = path.join(tmpdir(), 'misa-bench-states');
  const directory = path.join(root, `sst${VERSION}-${RECIPE}-${COMPACTION.baseBytes}-${COMPACTION.ratio}-${keys}`);
  if (existsSync(directory)) return { directory, keys };
  mkdirSync(root, { recursive: true });
  const making = mkdtempSync(`${directory}-`);
  await makeJob(making);
  const store = await DirectoryStore.open({ root: making, clock, random });
  const levels: SstRef[][] = [];
  for (const share of sharesOf(bytes)) levels.push(await makeLevel(store, keys, share, levels.length));
  const name = JOB.manifest(PATH);
  const { manifest, etag } = await loadManifest(store, name);
  const filled = { ...manifest, version: manifest.version + 1, l0: [], levels };
  const written = await store.compareAndSet(name, encodeManifest(filled), etag);
  if (!written.ok) throw new Error(`${making} is written by someone else`);
  renameSync(making, directory);
  return { directory, keys };
}

/** A copy to run on. @param into is made */
export async function copyState({ directory }: PreparedState, into: string, mode: 'async' | 'sync'): Promise<void> {
  copyTree(directory, into);
  const store = await DirectoryStore.open({ root: into, clock, random });
  const name = jobFileName('large');
  const answer = await store.get(name);
  if (!answer.found) throw new Error(`${directory} holds no job`);
  const file = decodeEnvelope<Record<string, unknown>>('job', 1, answer.body, name);
  await store.compareAndSet(name, encodeEnvelope('job', 1, { ...file, commit: mode }), answer.etag);
}

/** The job as the store has it after its first batches. */
async function makeJob(root: string): Promise<void> {
  const rows = new Rows(100, 'uniform', 1);
  await runEmbedded(largeJob({ mode: 'async', preload: 'off', rows: 100, rowBytes: 1 << 20 }), {
    store: { kind: 'directory', path: root },
    inputs: new Map(),
    streams: new Map([
      [
        SOURCE,
        {
          name: 'first',
          from: Array.from({ length: BATCHES }, () => rows.piece(100)),
          format: 'ndjson',
          compression: 'none',
        },
      ],
    ]),
    cacheBytes: 0,
  });
}

/** By level, from L1 on: the share of all keys that have a row in it. */
function sharesOf(bytes: number): number[] {
  const shares: number[] = [];
  for (let capacity: number = COMPACTION.baseBytes; bytes > capacity; capacity *= COMPACTION.ratio) {
    shares.push((0.75 * capacity) / bytes);
  }
  return [...shares, 1];
}

async function makeLevel(store: ObjectStore, keys: number, share: number, level: number): Promise<SstRef[]> {
  const refs: SstRef[] = [];
  const prefix = addressPrefix(0, 'keyed', 0);
  const value = new ByteWriter(128);
  let builder: StateSstBuilder | undefined;
  const finish = async (): Promise<void> => {
    if (builder === undefined) return;
    const { info, body } = builder.finish();
    builder = undefined;
    await store.create(JOB.sst(PATH, info.id), body);
    refs.push({ ...info, from: 1, to: BATCHES });
  };
  for (let i = 0; i < keys; i++) {
    const drawn = scattered(i, level);
    if (drawn >= share) continue;
    builder ??= new StateSstBuilder(random.id(), level, undefined);
    value.reset();
    packNumbers(value, rowOf(scattered(i, 7)), 0, ROW_NUMBERS);
    const key = Buffer.from(prefix + encodeKey(userOf(i)), 'latin1');
    builder.addBytes(key, 0, key.length, value.view(), 0, value.length);
    if (builder.bytes >= COMPACTION.sstBytes) await finish();
  }
  await finish();
  return refs;
}

const row = new Float64Array(ROW_NUMBERS);

function rowOf(drawn: number): Float64Array {
  const count = 1 + Math.floor(drawn * 60);
  const total = Math.round((100 + drawn * 900) * count * 100) / 100;
  row.set([count, total, total, count, 1, 100 + drawn, 1, 999 - drawn, count * drawn]);
  return row;
}

/** A number in [0, 1) for each `i`, without order. */
function scattered(i: number, seed: number): number {
  let h = Math.imul(i ^ (seed * 0x9e3779b1), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32;
}

function copyTree(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [path.join(from, entry.name), path.join(to, entry.name)];
    if (entry.isDirectory()) copyTree(source, target);
    else if (path.basename(from) === 'sst') linkSync(source, target);
    else copyFileSync(source, target);
  }
}
