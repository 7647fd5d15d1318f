/** Made-up events as NDJSON files, the same ones for the same seed: what the benchmarks read. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { seededRandom } from '../lib/util/random.ts';

/** About 170 bytes as JSON. */
export interface Event {
  readonly event_time: number;
  readonly user: string;
  readonly amount: number;
}

/** All events of a file lie in the hours after this. */
export const FIRST_EVENT_MS = Date.UTC(2025, 0, 1, 1);

export interface EventFile {
  readonly path: string;
  readonly rows: number;
  readonly seed: number;
  /** Keys are `userName(0)` to `userName(keys - 1)`: each once in a row (`each`), or uniformly drawn. */
  readonly keys: number;
  readonly order: 'each' | 'uniform';
}

export function userName(i: number): string {
  return `user-${String(i * 7919).padStart(11, '0')}`;
}

/** @returns bytes written */
export function writeEvents({ path, rows, seed, keys, order }: EventFile): number {
  const random = seededRandom(seed);
  const kinds = ['purchase', 'refunded', 'pageview', 'checkout'];
  const file = openSync(path, 'w');
  let bytes = 0;
  let text = '';
  for (let i = 0; i < rows; i++) {
    const user = order === 'each' ? i % keys : Math.floor(random.next() * keys);
    const amount = (1000 + Math.floor(random.next() * 98_999)) / 100;
    text +=
      `{"event_time":${FIRST_EVENT_MS + i},"user":"${userName(user)}","amount":${amount},"kind":"${kinds[i & 3]}",` +
      `"page":"/products/${10_000 + (i % 89_999)}","session":"${random.id().slice(0, 16)}","country":"DE","device":1}\n`;
    if (text.length > 1 << 20) {
      bytes += writeSync(file, text);
      text = '';
    }
  }
  bytes += writeSync(file, text);
  closeSync(file);
  return bytes;
}
