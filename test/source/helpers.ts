/** Makers of input files and readers of rows for the tests of `lib/source`. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { fileRef } from '../../lib/source/file-blocks.ts';
import { type OpenOptions, openRows } from '../../lib/source/open-rows.ts';
import { decodeRecords } from '../../lib/source/records.ts';
import { BAD_ROW, type RowChunk } from '../../lib/source/rows.ts';
import type { TextFormat } from '../../lib/source/text-format.ts';

/** One row as the tests compare it. */
export interface SeenRow {
  readonly row: number;
  readonly line: number | undefined;
  readonly value: unknown;
  readonly reason?: string;
  readonly text?: string;
}

/** The rows that the fixtures `plain*` hold. */
export const plainRows = Array.from({ length: 100 }, (_, i) => ({
  id: i,
  name: i % 7 === 0 ? null : `näme ${i}`,
  price: i / 4,
  ok: i % 2 === 0,
}));

export const toNdjson = (rows: readonly unknown[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

export function fixture(name: string): string {
  return fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
}

/** A directory that goes with the test. */
export async function makeDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'misa-source-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

export async function makeFile(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(await makeDirectory(), name);
  await writeFile(path, content);
  return path;
}

export function seen(chunk: RowChunk): SeenRow[] {
  const bad = new Map(chunk.bad.map((row) => [row.index, row]));
  return chunk.rows.map((value, i) => {
    const at = { row: chunk.firstRow + i, line: chunk.lineOf(i) };
    if (value !== BAD_ROW) return { ...at, value };
    return { ...at, value: 'BAD', reason: bad.get(i)!.reason, text: bad.get(i)!.text };
  });
}

export async function readRows(path: string, options?: OpenOptions): Promise<SeenRow[]> {
  const rows: SeenRow[] = [];
  for await (const chunk of openRows(await fileRef(path), options)) rows.push(...seen(chunk));
  return rows;
}

export async function readValues(path: string, options?: OpenOptions): Promise<unknown[]> {
  return (await readRows(path, options)).map(({ value }) => value);
}

/** Decodes text that arrives in blocks of the sizes given (the last one again and again). */
export async function decode(
  format: TextFormat,
  content: string | Uint8Array,
  { blockBytes = [1e9], fromRow = 0, toRow = Number.POSITIVE_INFINITY, chunkRows = 4096 } = {},
): Promise<RowChunk[]> {
  const bytes = Buffer.from(content as string);
  async function* blocks(): AsyncGenerator<Buffer> {
    for (let at = 0, i = 0; at < bytes.length; i++) {
      const size = blockBytes[Math.min(i, blockBytes.length - 1)]!;
      yield bytes.subarray(at, at + size);
      at += size;
    }
  }
  const chunks: RowChunk[] = [];
  const start = { row: 0, line: 1, offset: 0 };
  const options = { fromRow, toRow, chunkRows, start, path: 'test', progress: { rows: 0 } };
  for await (const chunk of decodeRecords(blocks(), format, options)) chunks.push(chunk);
  return chunks;
}
