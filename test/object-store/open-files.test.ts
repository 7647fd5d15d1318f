/** Files that are kept open give what is in them, and are not kept for ever. */
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OpenFiles } from '../../lib/object-store/open-files.ts';
import { ManualClock } from '../../lib/util/clock.ts';

let directory: string;
let clock: ManualClock;
let files: OpenFiles;

beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), 'misa-open-files-'));
  clock = new ManualClock();
  files = new OpenFiles(clock);
});

afterEach(() => fs.rmSync(directory, { recursive: true }));

function fileOf(name: string, bytes: Uint8Array): string {
  const path = join(directory, name);
  fs.writeFileSync(path, bytes);
  return path;
}

async function pass(ms: number): Promise<void> {
  clock.advance(ms);
  await new Promise((resolve) => setImmediate(resolve));
}

describe('files that are kept open', () => {
  it('give ranges of what is in them, and what was given stays as it is', () => {
    const content = Buffer.from(Uint8Array.from({ length: 40_000 }, (_, i) => (i * 31) % 251));
    const path = fileOf('a', content);
    const range = fc.record({ offset: fc.nat(41_000), length: fc.nat(20_000) });
    fc.assert(
      fc.property(fc.array(range, { maxLength: 40 }), (ranges) => {
        const given = ranges.map((one) => files.read(path, one)!);
        for (const [i, { body, size }] of given.entries()) {
          const { offset, length } = ranges[i]!;
          expect(Buffer.compare(body, content.subarray(offset, offset + length))).toBe(0);
          expect(size).toBe(content.length);
        }
      }),
    );
  });

  it('leave to others what is large or no file', () => {
    const path = fileOf('a', Buffer.alloc(100_000));
    expect(files.read(path, { offset: 0, length: 50_000 })).toBeUndefined();
    expect(files.read(join(directory, 'none'), { offset: 0, length: 1 })).toBeUndefined();
    expect(files.read(directory, { offset: 0, length: 1 })).toBeUndefined();
    expect(files.read(join(path, 'below'), { offset: 0, length: 1 })).toBeUndefined();
  });

  it('are closed when they have not been read for a while: what was deleted is gone then', async () => {
    const range = { offset: 1, length: 2 };
    const path = fileOf('a', Buffer.from('abcd'));
    files.read(path, range);
    fs.rmSync(path);
    await pass(30_000);
    expect(String(files.read(path, range)?.body)).toBe('bc');
    await pass(30_000);
    await pass(30_000);
    expect(files.read(path, range)).toBeUndefined();
    fileOf('a', Buffer.from('wxyz'));
    expect(String(files.read(path, range)?.body)).toBe('xy');
  });

  it('are not more than 128', () => {
    const range = { offset: 0, length: 1 };
    const paths = Array.from({ length: 140 }, (_, i) => fileOf(`f${i}`, Buffer.from('a')));
    for (const path of paths) files.read(path, range);
    for (const path of paths) fs.rmSync(path);
    const found = paths.map((path) => files.read(path, range) !== undefined);
    expect(found.filter((is) => is).length).toBe(128);
    expect(found.at(-1)).toBe(true);
  });

  it('are closed by who deletes or replaces them', () => {
    const range = { offset: 0, length: 4 };
    const path = fileOf('a', Buffer.from('abcd'));
    files.read(path, range);
    fileOf('b', Buffer.from('new!'));
    fs.renameSync(join(directory, 'b'), path);
    files.close(path);
    expect(String(files.read(path, range)?.body)).toBe('new!');
  });
});
