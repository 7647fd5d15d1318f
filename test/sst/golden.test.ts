/** Files written once and kept: what was stored by any Misa must be read by every later one. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { SstInfo } from '../../lib/sst/entry.ts';
import { sstEntries, verifySst } from '../../lib/sst/verify.ts';
import { buildSst, fixedEntries, fixedOptions, openSst } from './make-sst.ts';

const golden = (name: string): Buffer => readFileSync(new URL(`../golden/${name}`, import.meta.url));
const infos = JSON.parse(golden('sst-v1.json').toString()) as Record<'none' | 'lz4', SstInfo>;

describe.each(['none', 'lz4'] as const)('the golden SST (%s)', (compression) => {
  const body = golden(`sst-v1-${compression}.bin`);
  const info = infos[compression];

  test('is sound and holds what it always held', () => {
    verifySst(info, body);
    expect([...sstEntries(info, body)].flat()).toEqual(fixedEntries());
    const { get } = openSst({ info, body });
    for (const { key, value } of fixedEntries()) expect(get(key)).toEqual(value);
  });

  test('has the compression its name says', () => {
    expect(openSst({ info, body }).raw(0)[0]).toBe(compression === 'none' ? 0 : 1);
  });
});

test('building the same entries uncompressed gives the golden file byte for byte', () => {
  const built = buildSst(fixedEntries(), { ...fixedOptions, compression: 'none' });
  expect(Buffer.from(built.body).equals(golden('sst-v1-none.bin'))).toBe(true);
  expect(built.info).toEqual(infos.none);
});
