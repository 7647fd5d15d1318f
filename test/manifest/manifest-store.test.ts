import { describe, expect, it } from 'vitest';
import { StoreTimeoutError } from '../../lib/errors.ts';
import type { Edit } from '../../lib/manifest/edit.ts';
import { type Decide, editManifest, loadManifest } from '../../lib/manifest/manifest-store.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { ManualClock } from '../../lib/util/clock.ts';
import { countingStore, hookedStore, timeOut } from '../helpers/stores.ts';

const NAME = 'job/e0/s0/p0/manifest';
const clock = new ManualClock(1000);
const memory = (): MemoryStore => new MemoryStore({ clock });

const next: Decide = ({ manifest: { through } }) => foldEdit(through, through + 1);
function foldEdit(after: number, through: number): Edit {
  return { type: 'fold', after, through, logHash: '', sst: null, writtenAfterMs: 0, publishedThrough: 0 };
}

describe('editManifest', () => {
  it('creates, then changes, and gives the manifest to go on from without a read', async () => {
    const store = countingStore(memory());
    const first = await editManifest(store, NAME, next, { nonce: 'a' });
    expect(first).toMatchObject({ outcome: 'done', loaded: { manifest: { version: 1, nonces: ['a'] } } });
    const second = await editManifest(store, NAME, next, { nonce: 'b', from: first.loaded });
    expect(await loadManifest(store, NAME)).toEqual(second.loaded);
    expect(store.calls.map((call) => call.op)).toEqual(['get', 'compareAndSet', 'compareAndSet', 'get']);
  });

  it('loses no edit of two at once', async () => {
    const store = memory();
    const nonces = Array.from({ length: 8 }, (_, i) => `n${i}`);
    await Promise.all(nonces.map((nonce) => editManifest(store, NAME, next, { nonce })));
    const { manifest } = await loadManifest(store, NAME);
    expect(manifest.through).toBe(8);
    expect([...manifest.nonces].sort()).toEqual(nonces);
  });

  it('⚑ edit-nonce: looks for its own nonce after a time-out, whether it took effect or not', async () => {
    for (const when of ['before', 'after effect'] as const) {
      const store = hookedStore(
        memory(),
        timeOut((call) => call.op === 'compareAndSet', when),
      );
      expect(await editManifest(store, NAME, next, { nonce: 'a' })).toMatchObject({ outcome: 'done' });
      expect((await loadManifest(store, NAME)).manifest).toMatchObject({ version: 1, through: 1 });
    }
  });

  it('⚑ edit-nonce: looks for its own nonce when a repeated try is refused', async () => {
    const inner = memory();
    const store = hookedStore(inner, {
      async after(call) {
        // Its first try took effect and someone else went on: the answer to a repeated one is "no".
        if (call.op !== 'compareAndSet') return;
        await editManifest(inner, NAME, next, { nonce: 'other' });
        throw new StoreTimeoutError('lost');
      },
    });
    expect(await editManifest(store, NAME, next, { nonce: 'a' })).toMatchObject({ outcome: 'done' });
    expect((await loadManifest(inner, NAME)).manifest).toMatchObject({ nonces: ['a', 'other'], through: 2 });
  });

  it('decides again on what turned up instead, and may abandon', async () => {
    const store = memory();
    const stale = await loadManifest(store, NAME);
    await editManifest(store, NAME, next, { nonce: 'a' });
    const seen: number[] = [];
    const decide: Decide = ({ manifest }) => {
      seen.push(manifest.through);
      return manifest.through === 0 ? foldEdit(0, 1) : undefined;
    };
    expect(await editManifest(store, NAME, decide, { nonce: 'b', from: stale })).toMatchObject({
      outcome: 'abandoned',
    });
    expect(seen).toEqual([0, 1]);
  });

  it('gives a conflict as a value, of a manifest that was read and not only in hand', async () => {
    const store = memory();
    const stale = await loadManifest(store, NAME);
    await editManifest(store, NAME, next, { nonce: 'a' });
    const once: Decide = () => foldEdit(1, 2);
    expect(await editManifest(store, NAME, once, { nonce: 'b', from: stale })).toMatchObject({ outcome: 'done' });
    expect(await editManifest(store, NAME, once, { nonce: 'c' })).toMatchObject({
      outcome: 'conflict',
      conflict: { conflict: 'through', reason: 'folded through 2, not 1' },
    });
  });

  it('gives up after many lost races, and says that it may be tried again', async () => {
    const inner = memory();
    let others = 0;
    const store = hookedStore(inner, {
      async before(call) {
        if (call.op === 'compareAndSet') await editManifest(inner, NAME, next, { nonce: `other${others++}` });
      },
    });
    const contended = editManifest(store, NAME, next, { nonce: 'a' });
    await expect(contended).rejects.toMatchObject({ code: 'MANIFEST_CONTENTION', retryable: true });
  });

  it('stamps with the time of the read, however late its compare-and-set comes', async () => {
    const store = memory();
    await editManifest(store, NAME, next, { nonce: 'a' });
    clock.advance(10);
    const readAt = clock.now();
    const slow = hookedStore(store, {
      before: (call) => (call.op === 'compareAndSet' ? clock.advance(5000) : undefined),
    });
    await editManifest(slow, NAME, next, { nonce: 'b' });
    expect((await loadManifest(store, NAME)).manifest.folds).toEqual([
      { through: 1, atMs: readAt },
      { through: 2, atMs: null },
    ]);
  });

  it('changes nothing when the manifest is damaged', async () => {
    const store = memory();
    await store.compareAndSet(NAME, Buffer.from('{}'), undefined);
    await expect(editManifest(store, NAME, next, { nonce: 'a' })).rejects.toMatchObject({
      code: 'CORRUPT',
      object: NAME,
    });
  });
});
