/** What every object store must do. Each implementation runs it in a test file of its own. */
import { describe, expect, it } from 'vitest';
import type { FoundObject, ObjectStore } from '../../lib/object-store/object-store.ts';
import { listAll } from '../helpers/stores.ts';

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (body: Uint8Array): string => new TextDecoder().decode(body);

export async function found(store: ObjectStore, name: string): Promise<FoundObject> {
  const result = await store.get(name);
  if (!result.found) throw new Error(`${name} was not found`);
  return result;
}

/** Adds 1 to the number in an object by compare-and-set, however often it takes; an unknown outcome is not counted. */
export async function increment(store: ObjectStore, name: string): Promise<void> {
  for (;;) {
    const now = await store.get(name);
    const next = now.found ? Number(text(now.body)) + 1 : 1;
    const result = await store.compareAndSet(name, bytes(String(next)), now.found ? now.etag : undefined);
    if (result.ok) return;
  }
}

/** @param makeStore gives an empty store, another one each time */
export function objectStoreContract(name: string, makeStore: () => Promise<ObjectStore>): void {
  describe(`${name}: the object store contract`, () => {
    it('finds nothing where nothing is', async () => {
      const store = await makeStore();
      expect(await store.get('job/e0/plan/000000000000')).toMatchObject({ found: false });
    });

    it('gives back what was created, with its size', async () => {
      const store = await makeStore();
      const created = await store.create('a/b/c', bytes('hello'));
      const read = await found(store, 'a/b/c');
      expect(text(read.body)).toBe('hello');
      expect(read.size).toBe(5);
      expect(created).toMatchObject({ ok: true, etag: read.etag });
    });

    it('never replaces by create, and leaves the first as it was', async () => {
      const store = await makeStore();
      await store.create('a', bytes('first'));
      expect(await store.create('a', bytes('second'))).toMatchObject({ ok: false });
      expect(text((await found(store, 'a')).body)).toBe('first');
    });

    it('lets one of 50 concurrent creations win, whose bytes are there', async () => {
      const store = await makeStore();
      const all = Array.from({ length: 50 }, (_, i) => i);
      const results = await Promise.all(all.map((i) => store.create('log/1', bytes(`attempt ${i}`))));
      const winners = all.filter((i) => results[i]!.ok);
      expect(winners).toHaveLength(1);
      expect(text((await found(store, 'log/1')).body)).toBe(`attempt ${winners[0]}`);
    });

    it('keeps its own copy of the bytes', async () => {
      const store = await makeStore();
      const mine = bytes('before');
      await store.create('a', mine);
      mine.fill(0);
      (await found(store, 'a')).body.fill(1);
      expect(text((await found(store, 'a')).body)).toBe('before');
    });

    it('takes a part of a larger array as it is', async () => {
      const store = await makeStore();
      await store.create('a', bytes('0123456789').subarray(3, 6));
      expect(text((await found(store, 'a')).body)).toBe('345');
    });

    it('keeps an empty object', async () => {
      const store = await makeStore();
      await store.create('empty', new Uint8Array(0));
      const read = await found(store, 'empty');
      expect([read.body.length, read.size]).toEqual([0, 0]);
      expect(await store.create('empty', bytes('x'))).toMatchObject({ ok: false });
    });

    it('keeps 5 MB, and gives any range of it', async () => {
      const store = await makeStore();
      const large = new Uint8Array(5_000_000).map((_, i) => (i * 31 + (i >> 8)) & 255);
      await store.create('large', large);
      const read = await found(store, 'large');
      expect(Buffer.compare(read.body, large)).toBe(0);
      const range = { offset: 3_000_001, length: 70_000 };
      const part = await store.get('large', { range });
      expect(part).toMatchObject({ found: true, size: 5_000_000, etag: read.etag });
      expect(part.found && Buffer.compare(part.body, large.subarray(3_000_001, 3_070_001))).toBe(0);
    });

    it.each([
      [{ offset: 0, length: 10 }, '0123456789'],
      [{ offset: 0, length: 1 }, '0'],
      [{ offset: 3, length: 4 }, '3456'],
      [{ offset: 9, length: 1 }, '9'],
      [{ offset: 8, length: 100 }, '89'],
      [{ offset: 10, length: 5 }, ''],
      [{ offset: 1000, length: 5 }, ''],
      [{ offset: 4, length: 0 }, ''],
    ])('reads the range %o of 10 bytes as %j', async (range, expected) => {
      const store = await makeStore();
      await store.create('a', bytes('0123456789'));
      const ofCreated = await store.get('a', { range });
      expect(ofCreated).toMatchObject({ found: true, size: 10 });
      expect(ofCreated.found && text(ofCreated.body)).toBe(expected);
      await store.compareAndSet('m', bytes('0123456789'), undefined);
      const ofVersion = await store.get('m', { range });
      expect(ofVersion).toMatchObject({ found: true, size: 10 });
      expect(ofVersion.found && text(ofVersion.body)).toBe(expected);
    });

    it('finds no range of what is not there', async () => {
      const store = await makeStore();
      expect((await store.get('a', { range: { offset: 0, length: 1 } })).found).toBe(false);
      expect((await store.get('a', { range: { offset: 5, length: 0 } })).found).toBe(false);
    });

    it('replaces by compare-and-set only the version that was expected', async () => {
      const store = await makeStore();
      const first = await store.compareAndSet('m', bytes('1'), undefined);
      expect(first.ok).toBe(true);
      expect(await store.compareAndSet('m', bytes('x'), undefined)).toMatchObject({ ok: false });
      const etag = first.ok ? first.etag : '';
      expect((await found(store, 'm')).etag).toBe(etag);
      const second = await store.compareAndSet('m', bytes('2'), etag);
      expect(second.ok).toBe(true);
      expect(await store.compareAndSet('m', bytes('y'), etag)).toMatchObject({ ok: false });
      const read = await found(store, 'm');
      expect(text(read.body)).toBe('2');
      expect(second).toMatchObject({ ok: true, etag: read.etag });
    });

    it('does not make by compare-and-set what is not there', async () => {
      const store = await makeStore();
      const made = await store.compareAndSet('other', bytes('1'), undefined);
      expect(made.ok).toBe(true);
      const etag = made.ok ? made.etag : '';
      expect(await store.compareAndSet('m', bytes('1'), etag)).toMatchObject({ ok: false });
      expect((await store.get('m')).found).toBe(false);
    });

    it('loses no update of 12 concurrent incrementers', async () => {
      const store = await makeStore();
      await Promise.all(Array.from({ length: 12 }, () => increment(store, 'counter')));
      expect(text((await found(store, 'counter')).body)).toBe('12');
    });

    it('puts over what is there', async () => {
      const store = await makeStore();
      await store.put('warm/1', bytes('one'));
      await store.put('warm/1', bytes('two'));
      expect(text((await found(store, 'warm/1')).body)).toBe('two');
      expect(await listAll(store, '')).toHaveLength(1);
    });

    it('deletes what is there and takes what is not for deleted', async () => {
      const store = await makeStore();
      await store.create('a/1', bytes('1'));
      await store.create('a/2', bytes('2'));
      await store.create('a/3', bytes('3'));
      await store.compareAndSet('a/m', bytes('m'), undefined);
      await store.delete(['a/1', 'a/none', 'a/2', 'a/m', 'a']);
      await store.delete(['a/1', 'a/m']);
      await store.delete([]);
      expect((await listAll(store, '')).map((o) => o.name)).toEqual(['a/3']);
      expect((await store.get('a/1')).found).toBe(false);
      expect((await store.get('a/m')).found).toBe(false);
      expect(await store.create('a/1', bytes('again'))).toMatchObject({ ok: true });
    });

    it('lists in the order of the names, by prefix and after a name', async () => {
      const store = await makeStore();
      const names = [
        'j/a',
        'j/a-b/1',
        'j/a.b',
        'j/a/1',
        'j/a0',
        'j/b/log/000000000002',
        'j/b/log/000000000010',
        'j2/x',
        'k',
      ];
      for (const name of [...names].reverse()) if (name !== 'j/a') await store.create(name, bytes(name));
      await store.compareAndSet('j/a', bytes('v1'), undefined);
      const inOrder = [...names].sort();
      const list = async (prefix: string, after?: string): Promise<string[]> =>
        (await listAll(store, prefix, { after })).map((object) => object.name);
      expect(await list('')).toEqual(inOrder);
      for (const prefix of ['j', 'j/', 'j/a', 'j/a/', 'j/b/log/00000000001', 'j2', 'k', 'none', 'none/', 'k/']) {
        expect(await list(prefix), prefix).toEqual(inOrder.filter((name) => name.startsWith(prefix)));
      }
      for (const after of ['', 'j', 'j/a', 'j/a-', 'j/a/1', 'j/b/log/000000000002', 'j/b/log/000000000005', 'k', 'z']) {
        expect(await list('', after), after).toEqual(inOrder.filter((name) => name > after));
        expect(await list('j/', after), after).toEqual(inOrder.filter((n) => n.startsWith('j/') && n > after));
      }
    });

    it('lists an object that is replaced once, with its present size', async () => {
      const store = await makeStore();
      let etag: string | undefined;
      for (const body of ['1', '22', '333']) {
        const written = await store.compareAndSet('p/manifest', bytes(body), etag);
        etag = written.ok ? written.etag : undefined;
      }
      const listed = await listAll(store, 'p/');
      expect(listed).toHaveLength(1);
      expect(listed[0]).toMatchObject({ name: 'p/manifest', size: 3 });
      expect(Math.abs((await found(store, 'p/manifest')).dateMs - listed[0]!.modifiedMs)).toBeLessThan(60_000);
    });

    it('tells its time in every answer, which does not go back', async () => {
      const store = await makeStore();
      const beforeMs = Date.now();
      const dates = [
        (await store.get('a')).dateMs,
        (await store.create('a', bytes('1'))).dateMs,
        (await store.create('a', bytes('1'))).dateMs,
        (await store.get('a')).dateMs,
        (await store.get('a', { range: { offset: 99, length: 1 } })).dateMs,
        (await store.compareAndSet('m', bytes('1'), undefined)).dateMs,
        (await store.compareAndSet('m', bytes('1'), undefined)).dateMs,
      ];
      // Another machine's clock may be a little off, and HTTP dates are whole seconds.
      for (const date of dates) {
        expect(date).toBeGreaterThan(beforeMs - 60_000);
        expect(date).toBeLessThan(Date.now() + 60_000);
      }
      expect([...dates].sort((a, b) => a - b)).toEqual(dates);
    });

    it('asks for nothing once the signal is aborted', async () => {
      const store = await makeStore();
      const reason = new Error('the deadline has passed');
      const signal = AbortSignal.abort(reason);
      await expect(store.create('a', bytes('1'), { signal })).rejects.toBe(reason);
      await expect(store.get('a', { signal })).rejects.toBe(reason);
      expect((await store.get('a')).found).toBe(false);
    });

    it.each(['', '/a', 'a/', 'a//b', '../a', 'a/../b', 'a/.', 'a b', 'ä', 'a~', 'a\\b', '.tmp/x'])(
      'refuses the name %j',
      async (bad) => {
        const store = await makeStore();
        await expect(store.get(bad)).rejects.toMatchObject({ code: 'BAD_OBJECT_NAME' });
        await expect(store.create(bad, bytes('1'))).rejects.toMatchObject({ code: 'BAD_OBJECT_NAME' });
      },
    );
  });
}
