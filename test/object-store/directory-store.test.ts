import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { StoreTimeoutError } from '../../lib/errors.ts';
import { DirectoryStore } from '../../lib/object-store/directory-store.ts';
import { DurableDirectories } from '../../lib/object-store/durable-file.ts';
import { KEPT, linkNext } from '../../lib/object-store/versioned-file.ts';
import { systemClock } from '../../lib/util/clock.ts';
import { systemRandom } from '../../lib/util/random.ts';
import { listAll } from '../helpers/stores.ts';
import { bytes, found, increment, objectStoreContract, text } from './contract.ts';

const base = fs.mkdtempSync(join(tmpdir(), 'misa-directory-store-'));
afterAll(() => fs.rmSync(base, { recursive: true, force: true }));
const newRoot = (): string => join(base, systemRandom.id());
const open = (root: string): Promise<DirectoryStore> =>
  DirectoryStore.open({ root, clock: systemClock, random: systemRandom });

objectStoreContract('directory', () => open(newRoot()));
objectStoreContract('directory whose files are kept open', () =>
  DirectoryStore.open({ root: newRoot(), clock: systemClock, random: systemRandom, blockingReads: true }),
);

/** A process that increments; `acknowledged` counts its answers so far. */
function startIncrementing(root: string, name: string, times: number) {
  const script = join(import.meta.dirname, 'increment-process.ts');
  const child = spawn(process.execPath, ['--import', 'tsx', script, root, name, String(times)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let acknowledged = 0;
  child.stdout.on('data', (chunk: Buffer) => (acknowledged += chunk.length / 2));
  return { child, closed: once(child, 'close'), acknowledged: () => acknowledged };
}

describe('the directory store, between processes', () => {
  it('loses no update of two processes', async () => {
    const root = newRoot();
    const both = [startIncrementing(root, 'counter', 200), startIncrementing(root, 'counter', 200)];
    for (const { closed } of both) expect((await closed)[0]).toBe(0);
    const store = await open(root);
    expect(text((await found(store, 'counter')).body)).toBe('400');
    expect(fs.readdirSync(join(root, 'counter~')).length).toBeLessThanOrEqual(KEPT);
    expect(fs.readdirSync(join(root, '.tmp'))).toEqual([]);
  });

  it('keeps each update that was answered when processes are killed', async () => {
    const root = newRoot();
    const store = await open(root);
    let sum = 0;
    for (const delayMs of [3, 11, 17, 30]) {
      const { child, closed, acknowledged } = startIncrementing(root, 'counter', 10_000);
      await once(child.stdout, 'data');
      await systemClock.sleep(delayMs);
      child.kill('SIGKILL');
      await closed;
      const value = Number(text((await found(store, 'counter')).body));
      // The last one may have been written and not answered.
      expect(value - sum).toBeGreaterThanOrEqual(acknowledged());
      expect(value - sum).toBeLessThanOrEqual(acknowledged() + 1);
      sum = value;
    }
    await increment(store, 'counter');
    expect(text((await found(store, 'counter')).body)).toBe(String(sum + 1));
  });

  it('sees at once what another store on the same directory does', async () => {
    const root = newRoot();
    const [one, other] = [await open(root), await open(root)];
    await one.create('a/b/c', bytes('1'));
    expect((await other.create('a/b/c', bytes('2'))).ok).toBe(false);
    fs.rmSync(join(root, 'a'), { recursive: true });
    expect((await one.create('a/b/c', bytes('3'))).ok).toBe(true);
    expect(text((await found(other, 'a/b/c')).body)).toBe('3');
  });
});

describe('the directory store, versions', () => {
  it(`keeps the newest ${KEPT} and no more`, async () => {
    const root = newRoot();
    const store = await open(root);
    for (let i = 0; i < KEPT + 20; i++) await increment(store, 'm');
    const versions = fs.readdirSync(join(root, 'm~')).map(Number);
    expect(versions).toEqual(Array.from({ length: KEPT }, (_, i) => i + 21));
    expect((await found(store, 'm')).etag).toBe(String(KEPT + 20));
  });

  /** A writer that has seen `expected` as the greatest and sleeps, while others replace the object `times` times. */
  async function sleeper(store: DirectoryStore, expected: number, times: number): Promise<number | undefined> {
    const temporary = join(store.root, '.tmp', systemRandom.id());
    return linkNext(join(store.root, 'm~'), expected, new DurableDirectories(), async () => {
      fs.writeFileSync(temporary, 'the sleeper');
      for (let i = 0; i < times; i++) await increment(store, 'm');
      return temporary;
    });
  }

  it.each([1, 2, KEPT - 1, KEPT])('tells a sleeper that was overtaken %i times that it lost', async (times) => {
    for (const before of [0, 3]) {
      const store = await open(newRoot());
      for (let i = 0; i < before; i++) await increment(store, 'm');
      expect(await sleeper(store, before, times)).toBeUndefined();
      expect(text((await found(store, 'm')).body)).toBe(String(before + times));
    }
  });

  it.each([KEPT + 1, KEPT + 2, 2 * KEPT + 5])(
    'tells a sleeper that was overtaken %i times no success',
    async (times) => {
      for (const before of [0, 3]) {
        const store = await open(newRoot());
        for (let i = 0; i < before; i++) await increment(store, 'm');
        await expect(sleeper(store, before, times)).rejects.toThrow(StoreTimeoutError);
        expect(text((await found(store, 'm')).body)).toBe(String(before + times));
        const versions = fs.readdirSync(join(store.root, 'm~')).map(Number);
        expect(Math.min(...versions)).toBe(before + times - KEPT + 1);
        expect(fs.readdirSync(join(store.root, '.tmp'))).toEqual([]);
      }
    },
  );

  it('is not led astray by what a sleeper left when it died after its link', async () => {
    const store = await open(newRoot());
    for (let i = 0; i < KEPT + 10; i++) await increment(store, 'm');
    const leftover = join(store.root, 'm~', '000000000004');
    fs.writeFileSync(leftover, 'the sleeper');
    expect((await found(store, 'm')).etag).toBe(String(KEPT + 10));
    expect(await store.compareAndSet('m', bytes('x'), '4')).toMatchObject({ ok: false });
    await increment(store, 'm');
    expect(text((await found(store, 'm')).body)).toBe(String(KEPT + 11));
    expect(fs.existsSync(leftover)).toBe(false);
  });

  it('makes an object that was deleted again by compare-and-set', async () => {
    const store = await open(newRoot());
    for (const byte of [1, 2, 3]) {
      expect((await store.compareAndSet('m/a', Uint8Array.of(byte), undefined)).ok).toBe(true);
      expect(await store.get('m/a')).toMatchObject({ found: true, body: Buffer.of(byte) });
      await store.delete(['m/a']);
    }
  });

  it('gives a writer that slept while the object was deleted no success', async () => {
    const store = await open(newRoot());
    await increment(store, 'm');
    const temporary = join(store.root, '.tmp', 'sleeper');
    const outcome = await linkNext(join(store.root, 'm~'), 1, new DurableDirectories(), async () => {
      fs.writeFileSync(temporary, 'the sleeper');
      await store.delete(['m']);
      return temporary;
    });
    expect(outcome).toBeUndefined();
    expect((await store.get('m')).found).toBe(false);
  });

  it('takes a directory without versions, left by a death before the link, for no object', async () => {
    const store = await open(newRoot());
    fs.mkdirSync(join(store.root, 'm~'));
    expect((await store.get('m')).found).toBe(false);
    expect(await listAll(store, '')).toEqual([]);
    expect(await store.compareAndSet('m', bytes('1'), undefined)).toMatchObject({ ok: true, etag: '1' });
  });

  it('knows no etag but its own', async () => {
    const store = await open(newRoot());
    await increment(store, 'm');
    for (const etag of ['', '0', '2', '01', '1.0', '-1', '"abc"', '9'.repeat(30)]) {
      expect(await store.compareAndSet('m', bytes('x'), etag), etag).toMatchObject({ ok: false });
    }
  });
});

describe('the directory store, opening', () => {
  it('removes temporary files and trash older than an hour, and no younger ones', async () => {
    const root = newRoot();
    await open(root);
    const [old, young, trash] = ['old', 'young', 'trash'].map((name) => join(root, '.tmp', name)) as [
      string,
      string,
      string,
    ];
    for (const path of [old, young]) fs.writeFileSync(path, 'left over');
    fs.mkdirSync(trash);
    fs.writeFileSync(join(trash, '000000000001'), 'left over');
    const past = new Date(systemClock.now() - 3_700_000);
    for (const path of [old, trash]) fs.utimesSync(path, past, past);
    await open(root);
    expect(fs.readdirSync(join(root, '.tmp'))).toEqual(['young']);
  });

  it('says what to do if the root is a file, or below one', async () => {
    const file = newRoot();
    fs.writeFileSync(file, 'a file');
    for (const root of [file, join(file, 'below')]) {
      await expect(open(root)).rejects.toMatchObject({ code: 'STORE_PATH', retryable: false });
      await expect(open(root)).rejects.toThrow(/is a file, not a directory/);
    }
  });

  it('says what to do if the root cannot be written', async () => {
    const root = newRoot();
    fs.mkdirSync(root, { mode: 0o555 });
    fs.chmodSync(base, 0o755);
    await asUnprivileged(async () => {
      await expect(open(root)).rejects.toMatchObject({ code: 'STORE_NOT_WRITABLE', retryable: false });
      await expect(open(join(root, 'below'))).rejects.toThrow(/Give this user the rights/);
    });
  });

  it('says what to do if a file is in the way of an object', async () => {
    const store = await open(newRoot());
    await store.create('a', bytes('1'));
    await expect(store.create('a/b', bytes('1'))).rejects.toMatchObject({ code: 'STORE_PATH' });
    expect((await store.get('a/b')).found).toBe(false);
    expect(fs.readdirSync(join(store.root, '.tmp'))).toEqual([]);
  });

  it('does not list what is no object', async () => {
    const store = await open(newRoot());
    await store.create('a', bytes('1'));
    fs.writeFileSync(join(store.root, 'not an object.txt'), 'x');
    fs.writeFileSync(join(store.root, '.tmp', 'x'), 'x');
    expect((await listAll(store, '')).map((object) => object.name)).toEqual(['a']);
  });
});

describe('the directory store, on a full disk', () => {
  const disk = join(base, 'small-disk');
  fs.mkdirSync(disk);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'misa-test', disk]);
  const reason = mounted.status === 0 ? '' : ` (skipped: cannot mount a small disk: ${String(mounted.stderr).trim()})`;
  afterAll(() => {
    if (mounted.status === 0) spawnSync('umount', [disk]);
  });

  it.skipIf(reason !== '')(`says so, leaves nothing behind, and goes on when there is space${reason}`, async () => {
    const store = await open(disk);
    await store.create('small', bytes('1'));
    const large = new Uint8Array(2_000_000);
    for (const write of [
      () => store.create('large', large),
      () => store.put('large', large),
      () => store.compareAndSet('large', large, undefined),
    ]) {
      const error = await write().catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'DISK_FULL', retryable: false });
      expect(String(error)).toContain(join(disk, 'large'));
      expect(String(error)).toMatch(/Free some space and run again; nothing is lost/);
    }
    expect(fs.readdirSync(join(disk, '.tmp'))).toEqual([]);
    expect((await listAll(store, '')).map((object) => object.name)).toEqual(['small']);
    expect((await store.create('large', large.subarray(0, 1000))).ok).toBe(true);
  });
});

describe('the directory store, by property', () => {
  const name = fc.constantFrom('a', 'a-b', 'b/a', 'b/a.x', 'b/c/d', 'e0/log/000000000001');
  const body = fc.uint8Array({ maxLength: 40 });
  const operation = fc.oneof(
    fc.record({ op: fc.constantFrom('create', 'put', 'delete', 'get'), name: name.map((n) => `f/${n}`), body }),
    fc.record({ op: fc.constantFrom('cas', 'stale', 'delete', 'get'), name: name.map((n) => `m/${n}`), body }),
    fc.record({ op: fc.constant('list'), name: fc.constantFrom('', 'f/', 'm/b', 'f/a', 'f/b/c'), body }),
  );

  it('does what a map does', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 40 }), async (operations) => {
        const store = await open(newRoot());
        const model = new Map<string, { body: Uint8Array; etag: string | undefined }>();
        // On one file system `f/b/c` cannot be an object and a directory; the names above never ask for that.
        for (const { op, name, body } of operations) {
          const known = model.get(name);
          if (op === 'create') {
            expect((await store.create(name, body)).ok).toBe(known === undefined);
            if (known === undefined) model.set(name, { body, etag: undefined });
          } else if (op === 'put') {
            await store.put(name, body);
            model.set(name, { body, etag: undefined });
          } else if (op === 'cas') {
            const result = await store.compareAndSet(name, body, known?.etag);
            expect(result.ok).toBe(true);
            model.set(name, { body, etag: result.ok ? result.etag : undefined });
          } else if (op === 'stale') {
            const stale = known === undefined ? '7' : undefined;
            expect((await store.compareAndSet(name, body, stale)).ok).toBe(false);
          } else if (op === 'delete') {
            await store.delete([name]);
            model.delete(name);
          } else if (op === 'get') {
            const read = await store.get(name);
            expect(read.found ? [...read.body] : undefined).toEqual(known && [...known.body]);
          } else {
            const expected = [...model].filter(([n]) => n.startsWith(name)).sort(([a], [b]) => (a < b ? -1 : 1));
            const listed = (await listAll(store, name)).map((object) => [object.name, object.size]);
            expect(listed).toEqual(expected.map(([n, object]) => [n, object.body.length]));
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});

/** Runs as `nobody` if we are root, whom no permission stops. */
async function asUnprivileged(act: () => Promise<void>): Promise<void> {
  const isRoot = process.getuid?.() === 0;
  if (isRoot) process.seteuid?.(65534);
  try {
    await act();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}
