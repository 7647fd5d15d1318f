/** Files written once and kept: what was stored by any Misa must be read by every later one. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { SstInfo } from '../../lib/sst/entry.ts';
import { SstIndex } from '../../lib/sst/sst-index.ts';
import { sstEntries, verifySst } from '../../lib/sst/verify.ts';
import { buildSst, fixedEntries, fixedOptions, openSst } from './make-sst.ts';

const golden = (name: string): Buffer => readFileSync(new URL(`../golden/${name}`, import.meta.url));
const infos = JSON.parse(golden('sst-v2.json').toString()) as Record<'none' | 'lz4', SstInfo>;

describe.each(['none', 'lz4'] as const)('the golden SST (%s)', (compression) => {
  const body = golden(`sst-v2-${compression}.bin`);
  const info = infos[compression];

  test('is sound and holds what it always held', () => {
    verifySst(info, body);
    expect([...sstEntries(info, body)].flat()).toEqual(fixedEntries());
    const { get } = openSst({ info, body });
    for (const { key, value } of fixedEntries()) expect(get(key)).toEqual(value);
  });

  test('has the compression its name says', () => {
    const { index, raw } = openSst({ info, body });
    expect(raw(index.blockCount - 1)[0]).toBe(compression === 'none' ? 0 : 1);
  });
});

test('building the same entries uncompressed gives the golden file byte for byte', () => {
  const built = buildSst(fixedEntries(), { ...fixedOptions, compression: 'none' });
  expect(Buffer.from(built.body).equals(golden('sst-v2-none.bin'))).toBe(true);
  expect(built.info).toEqual(infos.none);
});

test.each(['none', 'lz4'] as const)('a file of version 1 (%s) is refused by its number', (compression) => {
  const before = JSON.parse(golden('sst-v1.json').toString())[compression] as SstInfo;
  const body = golden(`sst-v1-${compression}.bin`);
  const info = { ...before, indexOffset: before.metaOffset };
  expect(() => SstIndex.decode(info, body.subarray(info.indexOffset), 'sst/1')).toThrow(
    expect.objectContaining({ code: 'OLDER_FORMAT', message: expect.stringContaining('sst/1 has format version 1') }),
  );
});
