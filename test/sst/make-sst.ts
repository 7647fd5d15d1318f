/** What the SST tests share: random entries with the awkward cases in, files made of them, and a model to compare with. */
import fc from 'fast-check';
import { columnOf } from '../../lib/columns/key-column.ts';
import { ABSENT, Block, FOUND } from '../../lib/sst/block.ts';
import { type BuiltSst, SstBuilder, type SstOptions } from '../../lib/sst/builder.ts';
import { plainBlock } from '../../lib/sst/compression.ts';
import type { Entry, Key } from '../../lib/sst/entry.ts';
import { SstFilter } from '../../lib/sst/sst-filter.ts';
import { SstIndex } from '../../lib/sst/sst-index.ts';

export const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));

/** Any bytes, the empty key, few distinct letters (so keys are prefixes of each other), long shared prefixes. */
export const anyKey: fc.Arbitrary<Key> = fc.oneof(
  fc.uint8Array({ maxLength: 6 }).map((b) => Buffer.from(b).toString('latin1')),
  fc.string({ unit: fc.constantFrom('a', 'b', '\0', '\xff'), maxLength: 8 }),
  fc.tuple(fc.constantFrom(20, 127, 128, 300, 1000), fc.nat(999)).map(([n, i]) => `${'long'.repeat(n / 4)}${i}`),
);

const anyValue: fc.Arbitrary<Uint8Array | null> = fc.oneof(
  { weight: 6, arbitrary: fc.uint8Array({ maxLength: 20 }) },
  { weight: 2, arbitrary: fc.constant(null) },
  { weight: 1, arbitrary: fc.integer({ min: 120, max: 100_000 }).map((n) => new Uint8Array(n).fill(n)) },
);

export const anyEntries = (minLength = 0, maxLength = 150): fc.Arbitrary<Entry[]> =>
  fc
    .uniqueArray(fc.record({ key: anyKey, value: anyValue }), { selector: (e) => e.key, minLength, maxLength })
    .map(sorted);

export const anyOptions: fc.Arbitrary<SstOptions> = fc.record({
  id: fc.constant('t'),
  blockBytes: fc.constantFrom(1, 60, 400, 4040, 65_535),
  compression: fc.constantFrom('none' as const, 'lz4' as const),
  bitsPerKey: fc.constantFrom(0, 10),
  restartInterval: fc.constantFrom(1, 3, 16),
});

/** A read's answer as text: quick to compare however large, and unlike for absent, deleted and empty. */
export function told(value: Uint8Array | null | undefined): string {
  if (value === undefined) return 'absent';
  return value === null ? 'tombstone' : `value ${Buffer.from(value).toString('latin1')}`;
}

export const toldAll = (entries: readonly Entry[]): string[] =>
  entries.map(({ key, value }) => `${key}: ${told(value)}`);

export function sorted(entries: readonly Entry[]): Entry[] {
  return [...entries].sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** What runs mean, newest first: of each key the change of the first run that has one. */
export function newestOf(runs: readonly (readonly Entry[])[], dropTombstones: boolean): Entry[] {
  const merged = new Map<Key, Entry>();
  for (const run of runs) for (const entry of run) if (!merged.has(entry.key)) merged.set(entry.key, entry);
  return sorted([...merged.values()].filter((e) => e.value !== null || !dropTombstones));
}

export function buildSst(entries: readonly Entry[], options: Partial<SstOptions> = {}): BuiltSst {
  const builder = new SstBuilder({ id: 't', ...options });
  for (const { key, value } of entries) builder.add(key, value);
  return builder.finish();
}

/** A file opened as a reader does it, with every block at hand. */
export function openSst({ info, body }: BuiltSst) {
  const index = SstIndex.decode(info, body.subarray(info.indexOffset, info.size));
  const filter = SstFilter.decode(info, body.subarray(info.metaOffset, info.indexOffset));
  const raw = (i: number): Uint8Array => {
    const { offset, length } = index.block(i);
    return body.subarray(offset, offset + length);
  };
  const blocks = new Map<number, Uint8Array>();
  const plain = (i: number): Uint8Array => {
    const bytes = blocks.get(i) ?? plainBlock(raw(i), `SST ${info.id} block ${i}`);
    blocks.set(i, bytes);
    return bytes;
  };
  const block = new Block();
  const get = (key: Key): Uint8Array | null | undefined => {
    const keys = columnOf(key);
    if (!filter.mayContain(keys.hashes[0]!)) return undefined;
    const i = index.findBlock(keys, 0);
    if (i < 0) return undefined;
    const answer = block.open(plain(i)).find(keys, 0);
    if (answer === ABSENT) return undefined;
    // Without the buffer's class, so that it equals what was put in.
    return answer === FOUND ? new Uint8Array(block.bytes.subarray(block.valueStart, block.valueEnd)) : null;
  };
  return { index, filter, raw, plain, get };
}

/** Two hundred entries of many shapes, the same for ever: the golden files hold them. */
export function fixedEntries(): Entry[] {
  const entries: Entry[] = [
    { key: '', value: bytes('the empty key') },
    { key: '\0', value: new Uint8Array(0) },
    { key: '\xff\xfe\xfd', value: bytes('high bytes') },
    { key: `long/${'x'.repeat(200)}/1`, value: bytes('after a long prefix') },
    { key: `long/${'x'.repeat(200)}/2`, value: null },
    { key: 'huge', value: new Uint8Array(1500).map((_, i) => i) },
  ];
  for (let i = 0; i < 194; i++) {
    entries.push({ key: `user/${String(i).padStart(5, '0')}`, value: i % 7 === 3 ? null : bytes(`count=${i * i}`) });
  }
  return sorted(entries);
}

/** How the golden files were built. */
export const fixedOptions = { id: 'golden', blockBytes: 512, bitsPerKey: 10 } as const;
