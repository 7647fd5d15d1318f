import { describe, expect, test } from 'vitest';
import { KeyColumn } from '../../lib/columns/key-column.ts';
import { CorruptionError, MisaError } from '../../lib/errors.ts';
import { Block } from '../../lib/sst/block.ts';
import { BlockCursor } from '../../lib/sst/block-cursor.ts';
import { plainBlock } from '../../lib/sst/compression.ts';
import type { SstInfo } from '../../lib/sst/entry.ts';
import { SstFilter } from '../../lib/sst/sst-filter.ts';
import { SstIndex } from '../../lib/sst/sst-index.ts';
import { sstEntries, verifySst } from '../../lib/sst/verify.ts';
import { crc32 } from '../../lib/util/crc.ts';
import { buildSst, fixedEntries, fixedOptions, openSst, toldAll } from './make-sst.ts';

const entries = fixedEntries();
const told = toldAll(entries).join();
function readAll(info: SstInfo, body: Uint8Array) {
  openSst({ info, body });
  return [...sstEntries(info, body)].flat();
}

function thrownBy(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe.each(['none', 'lz4'] as const)('a damaged SST (%s)', (compression) => {
  const { info, body } = buildSst(entries, { ...fixedOptions, compression });

  test('any flipped byte is found by a check, and never gives a wrong value to a reader', () => {
    for (let at = 0; at < body.length; at++) {
      for (const flip of [1 << (at & 7), 0xff]) {
        const damaged = new Uint8Array(body);
        damaged[at]! ^= flip;
        expect(
          thrownBy(() => verifySst(info, damaged)),
          `byte ${at}`,
        ).toBeInstanceOf(CorruptionError);
        const met = thrownBy(() => expect(toldAll(readAll(info, damaged)).join()).toBe(told));
        // Only the header is nobody's but the check's.
        if (at < 8) expect(met).toBeUndefined();
        else expect(met, `byte ${at}`).toBeInstanceOf(CorruptionError);
      }
    }
  });

  test('a file cut short anywhere is found', () => {
    for (let length = 0; length < body.length; length += length > info.metaOffset ? 1 : 37) {
      const cut = body.subarray(0, length);
      expect(
        thrownBy(() => verifySst(info, cut)),
        `${length} bytes`,
      ).toBeInstanceOf(CorruptionError);
      expect(
        thrownBy(() => readAll(info, cut)),
        `${length} bytes`,
      ).toBeInstanceOf(CorruptionError);
    }
  });

  test('a block cut short or with bytes after it is found', () => {
    const { raw } = openSst({ info, body });
    for (let length = 0; length < raw(1).length; length++) {
      expect(() => plainBlock(raw(1).subarray(0, length), 'block 1')).toThrow(CorruptionError);
    }
    expect(() => plainBlock(Buffer.concat([raw(1), Buffer.alloc(1)]), 'block 1')).toThrow(CorruptionError);
  });

  test('any other byte anywhere in index, filter and a block is found', () => {
    const small = buildSst(entries.slice(0, 12), { ...fixedOptions, compression });
    const { index, raw } = openSst(small);
    const { metaOffset, indexOffset } = small.info;
    const parts: [Uint8Array, (bytes: Uint8Array) => unknown][] = [
      [small.body.subarray(indexOffset), (bytes) => SstIndex.decode(small.info, bytes)],
      [small.body.subarray(metaOffset, indexOffset), (bytes) => SstFilter.decode(small.info, bytes)],
      [raw(index.blockCount - 1), (bytes) => plainBlock(bytes, 'block')],
    ];
    for (const [sound, decode] of parts) {
      for (let length = 0; length < sound.length; length++) {
        expect(thrownBy(() => decode(sound.subarray(0, length)))).toBeInstanceOf(CorruptionError);
      }
      const damaged = new Uint8Array(sound);
      for (let at = 0; at < sound.length; at++) {
        for (let byte = 0; byte < 256; byte++) {
          if (byte === sound[at]) continue;
          damaged[at] = byte;
          // Of another version it may be, too.
          if (!(thrownBy(() => decode(damaged)) instanceof MisaError)) expect.fail(`byte ${at}: ${byte}`);
        }
        damaged[at] = sound[at]!;
      }
    }
  });

  test('a plain block that nobody has checked makes no search and no walk go on for ever', () => {
    const { plain } = openSst({ info, body });
    const keys = KeyColumn.of(entries.map(({ key }) => key));
    const block = new Block();
    const cursor = new BlockCursor();
    for (const sound of [plain(0), plain(2)]) {
      for (let at = 0; at < sound.length; at++) {
        for (const flip of [1, 0x80, 0xff]) {
          const damaged = new Uint8Array(sound);
          damaged[at]! ^= flip;
          const met = thrownBy(() => {
            block.open(damaged);
            for (let i = 0; i < keys.count; i += 7) block.find(keys, i);
            cursor.open(damaged, 'block');
            while (cursor.next());
            cursor.open(damaged, 'block').seek(keys, 50);
          });
          expect(met === undefined || met instanceof CorruptionError).toBe(true);
        }
      }
    }
  });

  test('a manifest that describes another file is found out', () => {
    const part = body.subarray(info.indexOffset);
    const wrong: Partial<SstInfo>[] = [
      { entries: info.entries + 1 },
      { tombstones: info.tombstones + 1 },
      { minKey: 'a' },
      { maxKey: 'a' },
      { metaOffset: info.metaOffset - 1 },
      { indexOffset: info.indexOffset - 1 },
      { size: info.size + 1 },
    ];
    for (const change of wrong) expect(() => SstIndex.decode({ ...info, ...change }, part)).toThrow(CorruptionError);
    const filter = body.subarray(info.metaOffset, info.indexOffset);
    for (const change of [{ metaOffset: info.metaOffset - 64 }, { indexOffset: info.indexOffset + 64 }]) {
      expect(() => SstFilter.decode({ ...info, ...change }, filter)).toThrow(CorruptionError);
    }
  });
});

describe('a sound file that this Misa cannot read', () => {
  const { info, body } = buildSst(entries, fixedOptions);

  test('of a newer format is not called corrupted: the message says to update', () => {
    const newer = Buffer.from(body);
    newer.writeUInt32LE(9, newer.length - 8);
    newer.writeUInt32LE(crc32(newer.subarray(info.indexOffset, -4)), newer.length - 4);
    const error = thrownBy(() => SstIndex.decode(info, newer.subarray(info.indexOffset)));
    expect(error).toBeInstanceOf(MisaError);
    expect(error).not.toBeInstanceOf(CorruptionError);
    expect((error as MisaError).code).toBe('NEWER_FORMAT');
    expect((error as MisaError).message).toMatch(/SST golden has format version 9.*newer Misa/);
  });

  test('with an unknown compression says so', () => {
    const raw = Buffer.from(openSst({ info, body }).raw(0));
    raw[0] = 2;
    raw.writeUInt32LE(crc32(raw.subarray(0, -4)), raw.length - 4);
    expect(() => plainBlock(raw, 'SST x block 0')).toThrow(/SST x block 0.*compression 2 is unknown/);
  });

  test('errors name the object and the block', () => {
    const damaged = new Uint8Array(body);
    const { offset } = openSst({ info, body }).index.block(2);
    damaged[offset + 9]! ^= 4;
    expect(() => readAll(info, damaged)).toThrow(/^SST golden block 2 is corrupted: the checksum/);
  });
});
