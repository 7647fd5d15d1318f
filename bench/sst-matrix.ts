/**
 * What the shape of an SST's blocks costs: reads of sorted batches through LMDB as the block cache does them, by size of a block,
 * compression, restart points and filter, and with an index of hashes in the block, which the format does not have. Run alone
 * with `npx tsx bench/sst-matrix.ts`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { open, type RootDatabase } from 'lmdb';
import { KeyColumn } from '../lib/columns/key-column.ts';
import { Block, FOUND } from '../lib/sst/block.ts';
import { BlockCursor } from '../lib/sst/block-cursor.ts';
import { type BuiltSst, SstBuilder, type SstOptions } from '../lib/sst/builder.ts';
import { plainBlock } from '../lib/sst/compression.ts';
import { SstFilter } from '../lib/sst/sst-filter.ts';
import { SstIndex } from '../lib/sst/sst-index.ts';
import { addressPrefix } from '../lib/state/address.ts';
import { encodeKey } from '../lib/stream/operators/key.ts';
import { hashText } from '../lib/util/hash.ts';
import { packValue } from '../lib/util/pack.ts';
import { seededRandom } from '../lib/util/random.ts';
import { median } from './measure.ts';
import type { Table } from './report.ts';

/** Rows of a table by key, and windows that are open. */
const KEYED = 300_000;
const WINDOWS = 10;
const KEYS_A_WINDOW = 20_000;
const BATCH = 20_000;
const SPARSE_BATCH = 300;
/** Of what a cache puts before a block. */
const HEAD_BYTES = 16;
const PAGE_BYTES = 4096;
const ROUNDS = 7;

interface Shape {
  readonly blockBytes: number;
  readonly restartInterval: number;
  readonly bitsPerKey: number;
  /** `lz4`: in the store, plain in the cache; `lz4 in the cache`: there, too. */
  readonly stored: 'none' | 'lz4' | 'lz4 in the cache';
  readonly hashed?: boolean;
}

/** The default: 4,040 bytes are what fits a page of LMDB. */
const BASE: Shape = { blockBytes: 4040, restartInterval: 16, bitsPerKey: 10, stored: 'none' };
const SIZES = [1024 - 32, 2048 - 32, 4040, 8192 - 32, 16_384 - 32];

const SHAPES: readonly Shape[] = [
  ...SIZES.flatMap((blockBytes) => [4, 8, 16].map((restartInterval) => ({ ...BASE, blockBytes, restartInterval }))),
  ...SIZES.map((blockBytes) => ({ ...BASE, blockBytes, stored: 'lz4' as const })),
  ...SIZES.map((blockBytes) => ({ ...BASE, blockBytes, stored: 'lz4 in the cache' as const })),
  ...[0, 8, 14].map((bitsPerKey) => ({ ...BASE, bitsPerKey })),
  { ...BASE, restartInterval: 4, hashed: true },
  { ...BASE, hashed: true },
];

interface Row {
  readonly key: string;
  readonly value: Uint8Array;
}

/** Counts and sums by user, and by user and minute. */
function makeRows(): Row[] {
  const random = seededRandom(1);
  const value = (): Uint8Array =>
    packValue([1 + Math.floor(random.next() * 1000), Math.round(random.next() * 1e6) / 100]);
  const rows: Row[] = [];
  const keyed = addressPrefix(0, 'keyed', 0);
  for (let i = 0; i < KEYED; i++) rows.push({ key: keyed + encodeKey(`user-${i * 2}`), value: value() });
  for (let w = 0; w < WINDOWS; w++) {
    const timed = addressPrefix(1, 'timed', 1_700_000_000_000 + w * 60_000);
    for (let i = 0; i < KEYS_A_WINDOW; i++) {
      rows.push({ key: timed + encodeKey(`user-${Math.floor(random.next() * 15) + i * 15}`), value: value() });
    }
  }
  return rows.sort((a, b) => (a.key < b.key ? -1 : 1));
}

function sortedColumn(keys: Iterable<string>): KeyColumn {
  return KeyColumn.of([...new Set(keys)].sort());
}

/** Batches of keys: each of a batch once, as a batch asks. */
interface Batches {
  readonly uniform: KeyColumn[];
  /** So few that nearly each has a block to itself, as where state is large. */
  readonly sparse: KeyColumn[];
  readonly zipf: KeyColumn[];
  readonly absent: KeyColumn[];
}

function makeBatches(): Batches {
  const random = seededRandom(2);
  const prefix = addressPrefix(0, 'keyed', 0);
  const user = (i: number): string => prefix + encodeKey(`user-${i}`);
  const batch = (draw: () => number, length = BATCH): KeyColumn =>
    sortedColumn(Array.from({ length }, () => user(draw())));
  // Exponent 1, by the inverse of its distribution.
  const rank = (): number => Math.floor(Math.exp(random.next() * Math.log(KEYED)));
  const scattered = (i: number): number => Math.imul(i, 0x9e3779b1) >>> 0;
  const rounds = <T>(make: () => T): T[] => Array.from({ length: ROUNDS + 2 }, make);
  return {
    uniform: rounds(() => batch(() => 2 * Math.floor(random.next() * KEYED))),
    sparse: rounds(() => batch(() => 2 * Math.floor(random.next() * KEYED), SPARSE_BATCH)),
    zipf: rounds(() => batch(() => 2 * (scattered(rank()) % KEYED))),
    absent: rounds(() => batch(() => 2 * Math.floor(random.next() * KEYED) + 1)),
  };
}

/** A block with buckets by hash before it: which restart point to begin at; what is in none is not there. */
class HashedBlock extends Block {
  static readonly #EMPTY = 255;
  static readonly #SEVERAL = 254;
  #value: Buffer = Buffer.alloc(0);
  #buckets = 0;
  #hash = 0;

  /** @param entries of the block @param restartInterval as it was built with */
  static bucketsOf(plain: Uint8Array, restartInterval: number): Buffer {
    const restarts: number[] = [];
    const cursor = new BlockCursor().open(plain, 'block');
    const hashes: number[] = [];
    for (let i = 0; cursor.next(); i++) {
      hashes.push(hashText(cursor.key.toString('latin1', 0, cursor.keyLength)));
      restarts.push(Math.floor(i / restartInterval));
    }
    const buckets = Buffer.alloc(Math.ceil(hashes.length / 0.75), HashedBlock.#EMPTY);
    for (const [i, hash] of hashes.entries()) {
      const at = hash % buckets.length;
      const taken = buckets[at] !== HashedBlock.#EMPTY && buckets[at] !== restarts[i];
      buckets[at] = taken ? HashedBlock.#SEVERAL : restarts[i]!;
    }
    const length = Buffer.alloc(2);
    length.writeUInt16LE(buckets.length);
    return Buffer.concat([length, buckets]);
  }

  openHashed(value: Buffer): void {
    this.#value = value;
    this.#buckets = value.readUInt16LE(0);
    this.open(value.subarray(2 + this.#buckets));
  }

  override find(keys: KeyColumn, i: number): number {
    this.#hash = keys.hashes[i]!;
    return super.find(keys, i);
  }

  override restartBefore(key: Uint8Array, start: number, length: number): number {
    const restart = this.#value[2 + (this.#hash % this.#buckets)]!;
    if (restart === HashedBlock.#EMPTY) return this.end;
    if (restart === HashedBlock.#SEVERAL) return super.restartBefore(key, start, length);
    return restart === 0 ? 0 : this.bytes.readUInt16LE(this.end + 2 * (restart - 1));
  }
}

/** Reads through LMDB. */
class Reader {
  readonly #shape: Shape;
  readonly #db: RootDatabase<Buffer, number>;
  readonly #index: SstIndex;
  readonly #filter: SstFilter;
  readonly #block = new Block();
  readonly #hashed = new HashedBlock();
  readonly #cursor = new BlockCursor();
  /** Pages of LMDB that were read. */
  pages = 0;

  constructor(shape: Shape, { info, body }: BuiltSst, db: RootDatabase<Buffer, number>) {
    this.#shape = shape;
    this.#db = db;
    this.#index = SstIndex.decode(info, body.subarray(info.indexOffset));
    this.#filter = SstFilter.decode(info, body.subarray(info.metaOffset, info.indexOffset));
    const head = Buffer.alloc(HEAD_BYTES);
    db.transactionSync(() => {
      for (let i = 0; i < this.#index.blockCount; i++) {
        const { offset, length } = this.#index.block(i);
        const stored = body.subarray(offset, offset + length);
        const plain = shape.stored === 'lz4 in the cache' ? stored : plainBlock(stored, 'block');
        const buckets = shape.hashed === true ? HashedBlock.bucketsOf(plain, shape.restartInterval) : Buffer.alloc(0);
        db.putSync(i, Buffer.concat([head, buckets, plain]));
      }
    });
  }

  /** @returns how many are there */
  readBatch(keys: KeyColumn): number {
    const block = this.#shape.hashed === true ? this.#hashed : this.#block;
    let at = 0;
    let open = -1;
    let found = 0;
    for (let k = 0; k < keys.count; k++) {
      if (!this.#filter.mayContain(keys.hashes[k]!)) continue;
      at = this.#index.findBlock(keys, k, at);
      if (at < 0) continue;
      if (at !== open) {
        open = at;
        const bytes = this.#value(at);
        if (block === this.#hashed) this.#hashed.openHashed(bytes);
        else block.open(bytes);
      }
      if (block.find(keys, k) === FOUND) found++;
    }
    return found;
  }

  /** @returns how many rows are in the range */
  readRange(from: string, to: string): number {
    const [first, last] = this.#index.blockRange(from, to);
    const keys = KeyColumn.of([from, to]);
    const end = to.length;
    let rows = 0;
    for (let at = first; at < last; at++) {
      const value = this.#value(at);
      const plain = this.#shape.hashed === true ? value.subarray(2 + value.readUInt16LE(0)) : value;
      const cursor = this.#cursor.open(plain, 'block');
      for (let more = at === first ? cursor.seek(keys, 0) : cursor.next(); more; more = cursor.next()) {
        if (at === last - 1 && cursor.key.compare(keys.bytes, from.length, from.length + end, 0, cursor.keyLength) >= 0)
          break;
        rows++;
      }
    }
    return rows;
  }

  #value(at: number): Buffer {
    const value = this.#db.getBinaryFast(at)!;
    this.pages += Math.ceil((value.length + HEAD_BYTES) / PAGE_BYTES);
    const bytes = value.subarray(HEAD_BYTES, value.length);
    return this.#shape.stored === 'lz4 in the cache' ? plainBlock(bytes, 'block') : bytes;
  }
}

interface Cost {
  /** Of processor time. */
  readonly ns: number;
  readonly pageBytes: number;
  readonly garbage: number;
}

/** A row, of `rows` that each run reads: medians. */
function costOf(reader: Reader, runs: readonly (() => number)[]): Cost {
  const all: { ns: number; pageBytes: number; garbage: number }[] = [];
  for (const run of runs) {
    reader.pages = 0;
    const before = process.memoryUsage();
    const start = process.cpuUsage();
    const rows = run();
    const { user, system } = process.cpuUsage(start);
    const after = process.memoryUsage();
    const garbage = after.heapUsed + after.external - before.heapUsed - before.external;
    all.push({
      ns: ((user + system) * 1000) / rows,
      pageBytes: (reader.pages * PAGE_BYTES) / rows,
      garbage: garbage / rows,
    });
  }
  const rest = all.slice(2);
  return {
    ns: median(rest.map(({ ns }) => ns)),
    pageBytes: median(rest.map(({ pageBytes }) => pageBytes)),
    // A collection in between makes it less.
    garbage: median(rest.map(({ garbage }) => garbage).filter((bytes) => bytes >= 0)),
  };
}

async function measure(shape: Shape, rows: readonly Row[], batches: Batches): Promise<(string | number)[]> {
  const options: SstOptions = { id: 'matrix', ...shape, compression: shape.stored === 'none' ? 'none' : 'lz4' };
  const builder = new SstBuilder(options);
  const buildStart = process.cpuUsage();
  for (const { key, value } of rows) builder.add(key, value);
  const built = builder.finish();
  const { user, system } = process.cpuUsage(buildStart);
  const directory = mkdtempSync(path.join(tmpdir(), 'misa-matrix-'));
  const db = open<Buffer, number>({ path: directory, encoding: 'binary', keyEncoding: 'uint32', noSync: true });
  try {
    const reader = new Reader(shape, built, db);
    const batched = (columns: readonly KeyColumn[]) =>
      columns.map((keys) => () => {
        reader.readBatch(keys);
        return keys.count;
      });
    const window = (w: number): string => addressPrefix(1, 'timed', 1_700_000_000_000 + w * 60_000);
    const uniform = costOf(reader, batched(batches.uniform));
    const sparse = costOf(reader, batched(batches.sparse));
    const zipf = costOf(reader, batched(batches.zipf));
    const absent = costOf(reader, batched(batches.absent));
    const range = costOf(
      reader,
      Array.from({ length: WINDOWS - 1 }, (_, w) => () => reader.readRange(window(w), window(w + 1))),
    );
    const cost = ({ ns, pageBytes, garbage }: Cost): number[] => [ns, pageBytes, garbage].map(Math.round);
    return [
      shape.blockBytes,
      shape.restartInterval,
      shape.bitsPerKey,
      shape.stored + (shape.hashed === true ? ', hashes' : ''),
      Math.round((10 * built.info.size) / rows.length) / 10,
      Math.round(((user + system) * 1000) / rows.length),
      ...cost(sparse),
      ...cost(uniform),
      ...cost(zipf),
      ...cost(range),
      Math.round(absent.ns),
    ];
  } finally {
    await db.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Rows of the table, for {@link matrixTable}. */
export async function benchMatrix(): Promise<(string | number)[][]> {
  const rows = makeRows();
  const batches = makeBatches();
  const table: (string | number)[][] = [];
  // The first one compiles the code.
  await measure(BASE, rows, batches);
  for (const shape of SHAPES) table.push(await measure(shape, rows, batches));
  return table;
}

export function matrixTable(rows: (string | number)[][]): Table {
  const three = (what: string): string[] => [`${what} ns`, 'B of pages', 'garbage'];
  return {
    title: `Shapes of blocks: batches of ${BATCH} of ${KEYED + WINDOWS * KEYS_A_WINDOW} rows through LMDB, a row`,
    columns: [
      ...['block', 'restart', 'filter', 'stored', 'file B', 'build ns'],
      ...three(`${SPARSE_BATCH} uniform`),
      ...three('uniform'),
      ...three('Zipf'),
      ...three('window'),
      'absent ns',
    ],
    rows,
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { columns, rows } = matrixTable(await benchMatrix());
  for (const row of [columns, ...rows]) console.log(row.map((cell) => String(cell).padStart(10)).join(' '));
}
