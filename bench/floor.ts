/**
 * What a program written for this one job alone would take: the floors that the engine is compared with, measured beside
 * it. Both read the same bytes, keep count, sum and max by key, and make the change durable as one file a batch.
 *
 * `map`: JSON.parse, a Map of rows, changes as bytes; the rows change only when the file is durable.
 * `scanner`: no JSON.parse and no objects: fields are cut out of the bytes by their place, state is in typed arrays. The
 * least that we know how to do in JavaScript, and no engine for users' functions.
 */
import { closeSync, fdatasyncSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import path from 'node:path';
import type { Event } from './events.ts';

interface Row {
  readonly count: number;
  readonly sum: number;
  readonly max: number;
}

/** Runs one batch of NDJSON. @returns ms by step */
export interface Floor {
  batch(bytes: Buffer): Record<string, number>;
}

/** Bytes of a changed row: length and text of the key, then count, sum and max. */
const ROW_BYTES = 1 + 16 + 20;

export function mapFloor(directory: string): Floor {
  const rows = new Map<string, Row>();
  let n = 0;
  return {
    batch(bytes) {
      const t0 = performance.now();
      const events: Event[] = [];
      const text = bytes.toString('latin1');
      for (let at = 0; at < text.length; ) {
        const end = text.indexOf('\n', at);
        events.push(JSON.parse(text.slice(at, end)) as Event);
        at = end + 1;
      }
      const t1 = performance.now();
      const changed = new Map<string, { count: number; sum: number; max: number }>();
      for (const { user, amount } of events) {
        let row = changed.get(user);
        if (row === undefined) {
          const { count, sum, max } = rows.get(user) ?? { count: 0, sum: 0, max: Number.NEGATIVE_INFINITY };
          row = { count, sum, max };
          changed.set(user, row);
        }
        row.count++;
        row.sum += amount;
        if (amount > row.max) row.max = amount;
      }
      const t2 = performance.now();
      const delta = Buffer.allocUnsafe(changed.size * ROW_BYTES);
      let at = 0;
      for (const key of [...changed.keys()].sort()) {
        const row = changed.get(key)!;
        delta[at] = key.length;
        delta.write(key, at + 1, 'latin1');
        at = writeRow(delta, at + 1 + key.length, row.count, row.sum, row.max);
      }
      const t3 = performance.now();
      writeDurably(directory, n++, delta.subarray(0, at));
      const t4 = performance.now();
      for (const [key, row] of changed) rows.set(key, row);
      const t5 = performance.now();
      return { decode: t1 - t0, aggregate: t2 - t1, encode: t3 - t2, durable: t4 - t3, apply: t5 - t4 };
    },
  };
}

/** @param keys how many there will be at most */
export function scannerFloor(directory: string, keys: number): Floor {
  const size = 2 ** Math.ceil(Math.log2(keys * 2));
  /** Open addressing: 1 + number of the key's row, 0: free. */
  const slots = new Int32Array(size);
  const names = Buffer.alloc(keys * 16);
  const counts = new Int32Array(keys);
  const sums = new Float64Array(keys);
  const maxima = new Float64Array(keys);
  /** The last batch that changed the row. */
  const changedIn = new Int32Array(keys);
  let used = 0;
  let n = 0;
  const rowOf = (bytes: Buffer, from: number): number => {
    let hash = 0;
    for (let i = 0; i < 16; i++) hash = Math.imul(hash ^ bytes[from + i]!, 0x01000193);
    for (let slot = (hash ^ (hash >>> 15)) & (size - 1); ; slot = (slot + 1) & (size - 1)) {
      const row = slots[slot]! - 1;
      if (row < 0) {
        slots[slot] = ++used;
        bytes.copy(names, (used - 1) * 16, from, from + 16);
        maxima[used - 1] = Number.NEGATIVE_INFINITY;
        return used - 1;
      }
      let i = 0;
      while (i < 16 && names[row * 16 + i] === bytes[from + i]) i++;
      if (i === 16) return row;
    }
  };
  const changed = new Int32Array(1 << 20);
  return {
    batch(bytes) {
      const t0 = performance.now();
      n++;
      let count = 0;
      for (let at = 0; at < bytes.length; ) {
        // `{"event_time":1735693200000,"user":"user-00000007919","amount":12.34,…`: fields stand at fixed places.
        const row = rowOf(bytes, at + 36);
        const amount = amountAt(bytes, at + 63);
        counts[row]!++;
        sums[row]! += amount;
        if (amount > maxima[row]!) maxima[row] = amount;
        if (changedIn[row] !== n) {
          changedIn[row] = n;
          changed[count++] = row;
        }
        at = bytes.indexOf(10, at + 150) + 1;
      }
      const t1 = performance.now();
      const delta = Buffer.allocUnsafe(count * ROW_BYTES);
      let at = 0;
      for (let i = 0; i < count; i++) {
        const row = changed[i]!;
        delta[at] = 16;
        names.copy(delta, at + 1, row * 16, row * 16 + 16);
        at = writeRow(delta, at + 17, counts[row]!, sums[row]!, maxima[row]!);
      }
      const t2 = performance.now();
      writeDurably(directory, n, delta.subarray(0, at));
      return { 'scan and aggregate': t1 - t0, encode: t2 - t1, durable: performance.now() - t2 };
    },
  };
}

function writeRow(to: Buffer, at: number, count: number, sum: number, max: number): number {
  to.writeInt32LE(count, at);
  to.writeDoubleLE(sum, at + 4);
  return to.writeDoubleLE(max, at + 12);
}

/** A file that is there after a power failure once this returns. */
function writeDurably(directory: string, n: number, bytes: Uint8Array): void {
  const name = path.join(directory, String(n));
  const file = openSync(`${name}.part`, 'w');
  writeSync(file, bytes);
  fdatasyncSync(file);
  closeSync(file);
  renameSync(`${name}.part`, name);
  const folder = openSync(directory, 'r');
  fsyncSync(folder);
  closeSync(folder);
}

/** The decimal number that ends at the next comma. */
function amountAt(bytes: Buffer, from: number): number {
  let cents = 0;
  let digits = 0;
  let i = from;
  for (let code = bytes[i]!; code !== 44; code = bytes[++i]!) {
    if (code === 46) digits = 1;
    else {
      cents = cents * 10 + code - 48;
      if (digits > 0) digits *= 10;
    }
  }
  return digits === 0 ? cents : cents / digits;
}
