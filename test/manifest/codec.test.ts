import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { manifestFault } from '../../lib/manifest/check.ts';
import { decodeManifest, encodeManifest } from '../../lib/manifest/codec.ts';
import { EMPTY_MANIFEST, type Manifest, type SstRef } from '../../lib/manifest/manifest.ts';
import { encodeEnvelope } from '../../lib/util/envelope.ts';

const NAME = 'job/e0/s0/p0/manifest';

function sst(id: string, minKey: string, maxKey: string): SstRef {
  return {
    id,
    size: 4711,
    metaOffset: 4096,
    indexOffset: 4400,
    entries: 12,
    tombstones: 1,
    minKey,
    maxKey,
    from: 1,
    to: 7,
  };
}

/** One of everything. */
const FULL: Manifest = {
  version: 42,
  nonces: ['n41', 'n42'],
  through: 9,
  folds: [
    { through: 7, atMs: 1_700_000_000_000 },
    { through: 9, atMs: null },
  ],
  collectedThrough: 5,
  logHash: '0123456789abcdef0123456789abcdef',
  l0: [sst('l0b', 'a', 'z'), sst('l0a', 'c', 'd')],
  levels: [[], [sst('l2a', '\u0000\u00ff"\\', 'a'), sst('l2b', 'b', 'q')]],
  forgotten: [
    [0, 1_700_000_000_000],
    [3, -0.5],
  ],
  condemnedMs: 1_700_000_000_001,
  halted: { n: 10, code: 'USER_FUNCTION', reason: 'it threw' },
  publishedThrough: 9,
  roots: [
    { name: 'checkpoint', ssts: ['old', 'l2a'], forgotten: [[0, 1_600_000_000_000]] },
    { name: 'epoch 2', ssts: ['l2a'] },
  ],
};

describe('codec', () => {
  it('gives back what it was given', () => {
    for (const manifest of [EMPTY_MANIFEST, FULL]) {
      expect(decodeManifest(encodeManifest(manifest), NAME)).toEqual(manifest);
    }
  });

  it('reads the golden file of version 4, and writes the same bytes', () => {
    const golden = new URL('../golden/manifest-v4.json', import.meta.url);
    const bytes = readFileSync(golden);
    expect(decodeManifest(bytes, NAME)).toEqual(FULL);
    expect(Buffer.from(encodeManifest(FULL)).equals(bytes)).toBe(true);
  });

  it('reads and writes in which layout rows are, which older ones leave out', () => {
    const changed: Manifest = { ...FULL, layoutVersion: 3 };
    const bytes = readFileSync(new URL('../golden/manifest-v4-layout.json', import.meta.url));
    expect(decodeManifest(bytes, NAME)).toEqual(changed);
    expect(Buffer.from(encodeManifest(changed)).equals(bytes)).toBe(true);
    expect(manifestFault({ ...FULL, layoutVersion: 'new' })).toMatch(/layoutVersion/);
  });

  it('reads and writes what flushes have closed, which older ones leave out', () => {
    const closed: Manifest = { ...FULL, closedTo: 1_700_000_040_000 };
    const golden = new URL('../golden/manifest-v4-closed.json', import.meta.url);
    const bytes = readFileSync(golden);
    expect(decodeManifest(bytes, NAME)).toEqual(closed);
    expect(Buffer.from(encodeManifest(closed)).equals(bytes)).toBe(true);
    expect(manifestFault({ ...FULL, closedTo: 'never' })).toMatch(/closedTo/);
    expect(manifestFault({ ...FULL, closedTo: null })).toMatch(/closedTo/);
  });

  it('reads and writes totals of rows, which older ones leave out', () => {
    const totals = { from: 1, rows: 900, late: 7, skipped: 2, quarantined: 3, setAside: 1, emitted: 60 };
    const counted: Manifest = { ...FULL, totals };
    const golden = new URL('../golden/manifest-v4-totals.json', import.meta.url);
    const bytes = readFileSync(golden);
    expect(decodeManifest(bytes, NAME)).toEqual(counted);
    expect(Buffer.from(encodeManifest(counted)).equals(bytes)).toBe(true);
    expect(manifestFault({ ...FULL, totals: { ...totals, late: -1 } })).toMatch(/totals/);
  });

  it('reads and writes when state ends, which older ones leave out', () => {
    const [first, ...others] = FULL.levels[1]!;
    const levels = [FULL.levels[0]!, [{ ...first!, halfExpiredMs: 1_702_592_000_000 }, ...others]];
    const ending: Manifest = { ...FULL, levels, timeMs: 1_700_000_000_002 };
    const golden = new URL('../golden/manifest-v4-expiry.json', import.meta.url);
    const bytes = readFileSync(golden);
    expect(decodeManifest(bytes, NAME)).toEqual(ending);
    expect(Buffer.from(encodeManifest(ending)).equals(bytes)).toBe(true);
    expect(manifestFault({ ...ending, timeMs: null })).toMatch(/timeMs/);
    expect(manifestFault({ ...ending, l0: [{ ...first!, halfExpiredMs: 'soon' }] })).toMatch(/l0/);
  });

  it('notices every changed byte', () => {
    const bytes = Buffer.from(encodeManifest(FULL));
    for (let i = 0; i < bytes.length; i++) {
      const damaged = Buffer.from(bytes);
      damaged[i]! ^= 0x04;
      expect(() => decodeManifest(damaged, NAME), `byte ${i}`).toThrow(/manifest (is corrupted|has format version)/);
      expect(() => decodeManifest(bytes.subarray(0, i), NAME)).toThrow(/is corrupted/);
    }
  });

  it('says that a newer Misa wrote it', () => {
    expect(() => decodeManifest(encodeEnvelope('manifest', 5, FULL), NAME)).toThrow(/format version 5/);
  });

  it.each([1, 2, 3])('refuses version %i by its number', (version) => {
    const before = readFileSync(new URL(`../golden/manifest-v${version}.json`, import.meta.url));
    expect(() => decodeManifest(before, NAME)).toThrow(expect.objectContaining({ code: 'OLDER_FORMAT' }));
    const words = `manifest has format version ${version}, and this Misa reads from 4 on`;
    expect(() => decodeManifest(before, NAME)).toThrow(words);
  });

  it('refuses to write and to read what breaks a rule, and says which', () => {
    const broken: [Partial<Record<keyof Manifest, unknown>>, RegExp][] = [
      [{ version: -1 }, /field "version"/],
      [{ l0: [{ ...sst('x', 'a', 'b'), size: '1' }] }, /field "l0"/],
      [{ roots: undefined }, /field "roots"/],
      [{ l0: [sst('l2a', 'a', 'b')] }, /SST l2a twice/],
      [{ levels: [[sst('x', 'a', 'c'), sst('y', 'c', 'd')]], roots: [] }, /x and y of L1 overlap/],
      [{ condemnedMs: null }, /field "condemnedMs"/],
      [{ forgotten: [[0, null]] }, /field "forgotten"/],
      [{ forgotten: [[0, 1, 2]] }, /field "forgotten"/],
      [{ forgotten: [FULL.forgotten![1]!, FULL.forgotten![0]!] }, /forgotten is out of order at table 0/],
      [{ roots: [{ ...FULL.roots[0]!, forgotten: [['0', 1]] }] }, /field "roots"/],
      [{ roots: [...FULL.roots, ...FULL.roots] }, /root checkpoint twice/],
      [{ collectedThrough: 10 }, /collected the log up to 10/],
      [{ folds: [{ through: 3, atMs: 1 }] }, /folds are out of order/],
      [{ through: 6, folds: [] }, /holds batches 1 to 7/],
      [{ l0: [{ ...sst('x', 'b', 'a') }] }, /least key after its greatest/],
    ];
    for (const [change, message] of broken) {
      const manifest = { ...FULL, ...change } as Manifest;
      expect(() => encodeManifest(manifest)).toThrow(message);
      expect(() => decodeManifest(encodeEnvelope('manifest', 4, manifest), NAME)).toThrow(message);
    }
    for (const value of [null, [], 'text', 7]) expect(manifestFault(value)).toBe('it is no object');
  });
});
