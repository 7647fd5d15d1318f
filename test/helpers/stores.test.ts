import { describe, expect, it } from 'vitest';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { ManualClock } from '../../lib/util/clock.ts';
import { CrashError, countingStore, crashAfter, hookedStore, listAll, raceAt, sleepAt, timeOut } from './stores.ts';

const body = new Uint8Array([1, 2, 3]);
const memory = (): MemoryStore => new MemoryStore({ clock: new ManualClock() });

describe('store helpers', () => {
  it('counts and reports requests, bytes and what went on at once', async () => {
    const store = countingStore(memory());
    await store.create('p/log/1', body);
    await Promise.all([store.get('p/log/1', { range: { offset: 1, length: 1 } }), store.get('p/log/2')]);
    await listAll(store, 'p/');
    await store.delete(['p/log/1', 'p/log/2']);
    expect(store.report()).toBe('create p/log/1\nget p/log/1 [1, +1]\nget p/log/2\nlist p/\ndelete p/log/1 p/log/2');
    expect(store.bytes()).toEqual({ sent: 3, received: 1 });
    expect([store.count(), store.count('get'), store.count(undefined, 'log/2')]).toEqual([5, 2, 2]);
    expect(store.calls.map((call) => call.besides)).toEqual([0, 0, 1, 0, 0]);
    expect(store.calls.every((call) => call.outcome === 'answered')).toBe(true);
    store.reset();
    expect(store.count()).toBe(0);
  });

  it('crashes at each request, before or after its effect, and stays dead', async () => {
    for (const when of ['before', 'after effect'] as const) {
      const inner = memory();
      const counting = countingStore(hookedStore(inner, crashAfter(1, when)));
      await counting.create('a', body);
      await expect(counting.create('b', body)).rejects.toThrow(CrashError);
      await expect(counting.create('c', body)).rejects.toThrow(CrashError);
      expect((await inner.get('b')).found).toBe(when === 'after effect');
      expect((await inner.get('c')).found).toBe(false);
      expect(counting.calls.map((call) => call.outcome)).toEqual(['answered', 'threw', 'threw']);
    }
  });

  it('times out after the effect', async () => {
    const store = hookedStore(
      memory(),
      timeOut((call) => call.op === 'create', 'after effect'),
    );
    await expect(store.create('a', body)).rejects.toMatchObject({ code: 'STORE_TIMEOUT' });
    expect(await store.create('a', body)).toMatchObject({ ok: false });
  });

  it('makes requests race', async () => {
    const inner = countingStore(memory());
    const store = hookedStore(
      inner,
      raceAt(3, (call) => call.op === 'create'),
    );
    const first = [store.create('a', body), store.create('a', body)];
    await new Promise((resolve) => setImmediate(resolve));
    expect(inner.count()).toBe(0);
    const results = await Promise.all([...first, store.create('a', body)]);
    expect(results.filter((result) => result.ok)).toHaveLength(1);
  });

  it('puts a request to sleep until it is woken', async () => {
    const inner = memory();
    const { hooks, asleep, wake } = sleepAt((call) => call.op === 'create', 'before');
    const store = hookedStore(inner, hooks);
    const sleeping = store.create('a', body);
    expect((await asleep).name).toBe('a');
    await inner.create('a', body);
    wake();
    expect(await sleeping).toMatchObject({ ok: false });
  });
});
