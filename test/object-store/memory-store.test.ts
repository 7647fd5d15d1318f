import { describe, expect, it } from 'vitest';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { ManualClock, systemClock } from '../../lib/util/clock.ts';
import { bytes, objectStoreContract } from './contract.ts';

objectStoreContract('memory', async () => new MemoryStore({ clock: systemClock }));

describe('the memory store', () => {
  it('answers with the time of the clock that it was given', async () => {
    const clock = new ManualClock(1000);
    const store = new MemoryStore({ clock });
    await store.create('a', bytes('1'));
    clock.advance(500);
    expect((await store.get('a')).dateMs).toBe(1500);
    for await (const object of store.list('')) expect(object.modifiedMs).toBe(1000);
  });

  it('finds out who mixes create and compare-and-set on one object', async () => {
    const store = new MemoryStore({ clock: systemClock });
    const made = await store.create('a', bytes('1'));
    const cas = store.compareAndSet('a', bytes('2'), made.ok ? made.etag : '');
    await expect(cas).rejects.toMatchObject({ code: 'MIXED_WRITES' });
  });
});
