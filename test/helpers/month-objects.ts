/** Input objects as a backfill has them, cut by month, and what announces them. */
import { gzipSync } from 'node:zlib';
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import { seededRandom } from '../../lib/util/random.ts';
import type { Event } from './engine-jobs.ts';

export interface MonthObject {
  readonly key: string;
  readonly source: string;
  readonly rows: readonly Event[];
}

export interface MonthOptions {
  readonly objects?: number;
  /** Most rows of an object. */
  readonly rows?: number;
  /** Extensions by turns; default: each third is `.gz`. */
  readonly endings?: readonly string[];
}

/** Months, as it were: each object later than the one before, its rows out of order, some far behind. */
export function monthsOf(job: PhysicalJob, seed: number, options: MonthOptions = {}): MonthObject[] {
  const { objects = 13, rows: most = 65, endings = ['.gz', '', ''] } = options;
  const random = seededRandom(seed);
  return Array.from({ length: objects }, (_, i) => {
    const few = Math.min(5, most - 1);
    const rows = Array.from({ length: few + Math.floor(random.next() * (most - few)) }, (): Event => {
      const back = random.next() < 0.1 ? 60_000 : 8000;
      const t = i * 20_000 + Math.floor(random.next() * 20_000) - Math.floor(random.next() * back);
      return { t, k: `k${Math.floor(random.next() * 4)}`, v: Math.floor(random.next() * 20) };
    });
    const source = job.sources[i % job.sources.length]!.name;
    return {
      key: `${source}/2013-${String(i + 1).padStart(2, '0')}.ndjson${endings[i % endings.length]}`,
      source,
      rows,
    };
  });
}

/** An object's bytes, as its name says. */
export function bytesOf({ key, rows }: MonthObject): Buffer {
  const text = Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  if (key.endsWith('.gz')) return gzipSync(text);
  return key.endsWith('.zst') ? storedZstd(text) : text;
}

/** A zstd frame that compresses nothing: decoders give it out in the caller's own time, whereas gzip's are threads. */
function storedZstd(text: Buffer): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(text.length);
  const parts: Uint8Array[] = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0]), size];
  const most = 1 << 16;
  for (let at = 0; at === 0 || at < text.length; at += most) {
    const part = text.subarray(at, at + most);
    const head = Buffer.alloc(3);
    head.writeUIntLE((part.length << 3) | (at + most >= text.length ? 1 : 0), 0, 3);
    parts.push(head, part);
  }
  return Buffer.concat(parts);
}

/** What S3 sends of an object. */
export function notificationOf(key: string): unknown {
  const s3 = { bucket: { name: 'inputs' }, object: { key, size: 1, eTag: 'v1' } };
  return { Records: [{ eventSource: 'aws:s3', eventName: 'ObjectCreated:Put', s3 }] };
}

/** Notifications shuffled, each third lost, some doubled. */
export function someNotifications(objects: readonly MonthObject[], seed: number): unknown[] {
  const random = seededRandom(seed);
  const announced = objects.flatMap(({ key }) => {
    const times = random.next() < 1 / 3 ? 0 : random.next() < 0.3 ? 2 : 1;
    return Array.from({ length: times }, () => key);
  });
  for (let i = announced.length - 1; i > 0; i--) {
    const j = Math.floor(random.next() * (i + 1));
    [announced[i], announced[j]] = [announced[j]!, announced[i]!];
  }
  return announced.map(notificationOf);
}
