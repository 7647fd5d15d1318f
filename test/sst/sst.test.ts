import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KeyColumn } from '../../lib/columns/key-column.ts';
import { Block, FOUND } from '../../lib/sst/block.ts';
import { entriesOf } from '../../lib/sst/block-cursor.ts';
import { SstBuilder } from '../../lib/sst/builder.ts';
import type { Entry } from '../../lib/sst/entry.ts';
import { planScan, scanBlocks, splitSpan } from '../../lib/sst/scan.ts';
import { sstEntries, verifySst } from '../../lib/sst/verify.ts';
import { anyEntries, anyKey, anyOptions, buildSst, bytes, openSst, sorted, told, toldAll } from './make-sst.ts';

/** Scans with a fetch that counts. */
async function scan(sst: ReturnType<typeof buildSst>, options: Parameters<typeof planScan>[1] = {}) {
  const { index } = openSst(sst);
  const entries: Entry[] = [];
  let fetches = 0;
  const fetch = async (span: ReturnType<typeof planScan>[number]) => {
    fetches++;
    return splitSpan(index, span, sst.body.subarray(span.offset, span.offset + span.length));
  };
  for await (const chunk of scanBlocks(index, fetch, options)) entries.push(...chunk);
  return { entries, fetches };
}

describe('an SST against a sorted map', () => {
  test('every key is found with its value, and no other key', () => {
    fc.assert(
      fc.property(anyEntries(1), fc.array(anyKey, { maxLength: 40 }), anyOptions, (entries, others, options) => {
        const { get } = openSst(buildSst(entries, options));
        const model = new Map(entries.map((e) => [e.key, e.value]));
        for (const { key, value } of entries) expect(told(get(key))).toBe(told(value));
        for (const key of others) expect(told(get(key))).toBe(told(model.get(key)));
      }),
      { numRuns: 300 },
    );
  });

  test('a key that differs little from one that is there is not mistaken for it', () => {
    fc.assert(
      fc.property(anyEntries(1, 60), anyOptions, (entries, options) => {
        const { get } = openSst(buildSst(entries, { ...options, bitsPerKey: 0 }));
        const model = new Map(entries.map((e) => [e.key, e.value]));
        for (const { key } of entries) {
          for (const near of [
            `${key}\0`,
            `${key}a`,
            key.slice(0, -1),
            `${key.slice(0, -1)}\xff`,
            `${key.slice(0, -1)}a`,
          ])
            expect(told(get(near))).toBe(told(model.get(near)));
        }
      }),
    );
  });

  test('the block of a key is found from whichever block the search begins at', () => {
    fc.assert(
      fc.property(anyEntries(1, 60), fc.array(anyKey, { maxLength: 20 }), anyOptions, (entries, others, options) => {
        const { index } = openSst(buildSst(entries, { ...options, blockBytes: 60 }));
        const keys = KeyColumn.of([...entries.map(({ key }) => key), ...others]);
        for (let i = 0; i < keys.count; i++) {
          const block = index.findBlock(keys, i);
          const last = entries.findLastIndex(({ key }) => key <= keys.text(i));
          const outside = last < 0 || keys.text(i) > entries.at(-1)!.key;
          expect(block < 0).toBe(outside);
          for (let hint = -1; hint <= index.blockCount; hint++) expect(index.findBlock(keys, i, hint)).toBe(block);
        }
      }),
    );
  });

  test('a search says where the value is, in bytes that others use later', () => {
    const entries = Array.from({ length: 300 }, (_, i) => ({
      key: `k${String(i).padStart(4, '0')}`,
      value: bytes(`v${i}`),
    }));
    const { index, plain } = openSst(buildSst(entries, { blockBytes: 400 }));
    const keys = KeyColumn.of(entries.map(({ key }) => key));
    const shared = Buffer.alloc(1000);
    const block = new Block();
    for (let i = 0, at = 0, open = -1; i < keys.count; i++) {
      at = index.findBlock(keys, i, at);
      if (at !== open) {
        open = at;
        shared.set(plain(at), 16);
        block.open(shared.subarray(16, 16 + plain(at).length));
      }
      expect(block.find(keys, i)).toBe(FOUND);
      expect(block.bytes.toString('latin1', block.valueStart, block.valueEnd)).toBe(`v${i}`);
    }
  });

  test('every range gives the entries in it, in order', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyEntries(1, 80),
        anyKey,
        fc.option(anyKey, { nil: undefined }),
        anyOptions,
        fc.constantFrom(1, 500, 1 << 20),
        async (entries, from, to, options, spanBytes) => {
          const sst = buildSst(entries, options);
          const within = entries.filter((e) => e.key >= from && (to === undefined || e.key < to));
          expect(toldAll((await scan(sst, { from, to, spanBytes })).entries)).toEqual(toldAll(within));
          const { index, plain } = openSst(sst);
          const [first, last] = index.blockRange(from, to);
          for (let i = 0; i < index.blockCount; i++) {
            const held = entriesOf(plain(i), `block ${i}`, from, to);
            if (i < first || i >= last) expect(held).toEqual([]);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test('ranges whose ends are keys of the file hold the first and not the last', async () => {
    await fc.assert(
      fc.asyncProperty(anyEntries(1, 40), fc.nat(), fc.nat(), anyOptions, async (entries, i, j, options) => {
        const from = entries[i % entries.length]!.key;
        const to = entries[j % entries.length]!.key;
        const within = entries.filter((e) => e.key >= from && e.key < to);
        expect(toldAll((await scan(buildSst(entries, options), { from, to })).entries)).toEqual(toldAll(within));
      }),
    );
  });

  test('the whole file gives all entries, verifies, and its info tells the truth', () => {
    fc.assert(
      fc.property(anyEntries(1), anyOptions, (entries, options) => {
        const { info, body } = buildSst(entries, options);
        verifySst(info, body);
        expect(toldAll([...sstEntries(info, body)].flat())).toEqual(toldAll(entries));
        expect(info).toEqual({
          id: 't',
          size: body.length,
          metaOffset: info.metaOffset,
          indexOffset: info.indexOffset,
          entries: entries.length,
          tombstones: entries.filter((e) => e.value === null).length,
          minKey: entries[0]!.key,
          maxKey: entries.at(-1)!.key,
        });
        expect(JSON.parse(JSON.stringify(info))).toEqual(info);
        expect(Buffer.compare(buildSst(entries, options).body, body)).toBe(0);
      }),
    );
  });
});

describe('building', () => {
  test('keys out of order, doubled, or not binary are refused', () => {
    const builder = new SstBuilder({ id: 't' });
    builder.add('b', null);
    expect(() => builder.add('b', null)).toThrow(/must ascend/);
    expect(() => builder.add('a', null)).toThrow(/must ascend/);
    expect(() => builder.add('', null)).toThrow(/must ascend/);
    expect(() => builder.add('c\u0100', null)).toThrow(/not a binary string/);
  });

  test('an SST without entries is refused', () => {
    expect(() => new SstBuilder({ id: 't' }).finish()).toThrow(/no entries/);
  });

  test('the running size foretells the finished one', () => {
    const builder = new SstBuilder({ id: 't' });
    for (let i = 0; i < 50_000; i++) builder.add(String(i).padStart(12, '0'), bytes(`value ${i}`));
    const foretold = builder.bytes;
    const { size } = builder.finish().info;
    expect(Math.abs(foretold - size)).toBeLessThan(16384);
  });

  test('a block is at most as long as it may be, but for an entry that is longer alone', () => {
    fc.assert(
      fc.property(anyEntries(1), anyOptions, (entries, options) => {
        const { index, plain } = openSst(buildSst(entries, options));
        for (let i = 0; i < index.blockCount; i++) {
          if (plain(i).length > options.blockBytes!) expect(entriesOf(plain(i), `block ${i}`)).toHaveLength(1);
        }
      }),
    );
    expect(() => new SstBuilder({ id: 't', blockBytes: 65_536 })).toThrow(RangeError);
  });

  test('by default a block fits a page of the local cache, and fills most of it', () => {
    const entries = Array.from({ length: 5000 }, (_, i) => ({ key: String(i).padStart(9, '0'), value: bytes(`${i}`) }));
    const { index, plain } = openSst(buildSst(entries));
    for (let i = 0; i < index.blockCount; i++) {
      expect(plain(i).length + 16).toBeLessThanOrEqual(4060);
      if (i < index.blockCount - 1) expect(plain(i).length).toBeGreaterThan(4000);
    }
  });

  test('a block that does not shrink is stored as it is', () => {
    const noise = new Uint8Array(4000);
    for (let i = 0, x = 1; i < noise.length; i++) {
      x = Math.imul(x, 1664525) + 1013904223;
      noise[i] = x >>> 24;
    }
    const { raw } = openSst(buildSst([{ key: 'k', value: noise }], { compression: 'lz4' }));
    expect(raw(0)[0]).toBe(0);
    expect(openSst(buildSst([{ key: 'k', value: new Uint8Array(4000) }])).raw(0)[0]).toBe(1);
  });

  test('a value larger than a block is one ranged read like any other', () => {
    const value = new Uint8Array(3_000_000).fill(7);
    const { get, index } = openSst(
      buildSst(
        sorted([
          { key: 'a', value: null },
          { key: 'b', value },
          { key: 'c', value },
        ]),
      ),
    );
    expect(told(get('b'))).toBe(told(value));
    expect(get('a')).toBeNull();
    expect(index.blockCount).toBe(3);
  });
});

describe('scanning', () => {
  const entries = Array.from({ length: 5000 }, (_, i) => ({
    key: String(i).padStart(8, '0'),
    value: bytes(`value ${i}`),
  }));
  const sst = buildSst(entries, { blockBytes: 1024, compression: 'none' });

  test('the plan covers each block once, in requests of the size asked for', () => {
    const { index } = openSst(sst);
    const spans = planScan(index, { spanBytes: 8192 });
    expect(spans.flatMap((s) => Array.from({ length: s.last - s.first }, (_, i) => s.first + i))).toEqual(
      Array.from({ length: index.blockCount }, (_, i) => i),
    );
    for (const [i, span] of spans.entries()) {
      expect(span.length).toBeLessThanOrEqual(8192);
      if (i > 0) expect(span.offset).toBe(spans[i - 1]!.offset + spans[i - 1]!.length);
    }
    expect(spans.length).toBe(Math.ceil(index.blockCount / 7));
  });

  test('a range inside one block costs one request, one outside the file none', async () => {
    const inside = await scan(sst, { from: '00000100', to: '00000103' });
    expect(inside.entries.map((e) => e.key)).toEqual(['00000100', '00000101', '00000102']);
    expect(inside.fetches).toBe(1);
    expect((await scan(sst, { from: '1', to: '2' })).fetches).toBe(0);
    expect((await scan(sst, { from: '', to: '00000000' })).fetches).toBe(0);
  });

  test('a range that ends where a block begins leaves that block alone', () => {
    const letters = ['a', 'b', 'c', 'd'].map((key) => ({ key, value: null }));
    const { index } = openSst(buildSst(letters, { blockBytes: 1 }));
    expect(index.blockRange('a', 'c')).toEqual([0, 2]);
    expect(index.blockRange('a', 'c\0')).toEqual([0, 3]);
    expect(index.blockRange('c', 'c')).toEqual([0, 0]);
    expect(index.blockRange('b')).toEqual([1, 4]);
  });

  test('it is one request ahead of its consumer, and stops with it', async () => {
    const { index } = openSst(sst);
    let fetches = 0;
    for await (const _ of scanBlocks(
      index,
      async (span) => {
        fetches++;
        return splitSpan(index, span, sst.body.subarray(span.offset, span.offset + span.length));
      },
      { spanBytes: 4096 },
    )) {
      expect(fetches).toBe(2);
      break;
    }
    expect(fetches).toBe(2);
  });

  test('a fetch that gives fewer blocks than asked for does not shorten the answer unseen', async () => {
    const { index } = openSst(sst);
    const all = async () => {
      for await (const _ of scanBlocks(index, async (s) => splitSpan(index, s, sst.body.subarray(s.offset)).slice(1)));
    };
    await expect(all()).rejects.toThrow(/blocks for/);
  });

  test('a failed fetch fails the scan', async () => {
    const { index } = openSst(sst);
    const all = async () => {
      for await (const _ of scanBlocks(index, () => Promise.reject(new Error('unreachable')), { spanBytes: 4096 }));
    };
    await expect(all()).rejects.toThrow('unreachable');
  });
});
