/** Entries of a log whose PUT is sent again when it is late: whatever is lost, refused or comes late, there is one winner, and he knows. */
import { describe, expect, it } from 'vitest';
import { StoreError, StoreTimeoutError } from '../../lib/errors.ts';
import { createEntry } from '../../lib/log/create.ts';
import { mayConclude } from '../../lib/log/partition-log.ts';
import { HedgedCreates } from '../../lib/object-store/hedged-creates.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import type { ObjectStore } from '../../lib/object-store/object-store.ts';
import { seededRandom } from '../../lib/util/random.ts';
import { SimulatedClock } from '../helpers/simulated-clock.ts';

/** What becomes of a create: ms until it takes effect, and from there until its answer, or what comes in its place. */
interface Sent {
  readonly up: number;
  readonly down: number;
  readonly error?: Error | undefined;
  /** It never arrives. */
  readonly lost?: boolean | undefined;
}

const USUAL: Sent = { up: 10, down: 10 };
/** When a create of 20 ms is sent again; what is usual is known to 4 %. */
const LATE_MS = 23;
const timedOut = new StoreTimeoutError('timed out');

/** A process that creates entries in a store that it shares with others. */
function writer(clock: SimulatedClock, shared: MemoryStore, id: string) {
  const script: Sent[] = [];
  let next = (): Sent => script.shift() ?? USUAL;
  let creates = 0;
  const create: ObjectStore['create'] = async (name, body) => {
    creates++;
    const { up, down, error, lost } = next();
    await clock.sleep(up);
    const written = lost ? undefined : await shared.create(name, body);
    await clock.sleep(down);
    if (error !== undefined || written === undefined) throw error ?? timedOut;
    return written;
  };
  const get: ObjectStore['get'] = async (name, options) => {
    await clock.sleep(5);
    return shared.get(name, options);
  };
  const store: ObjectStore = Object.assign(new MemoryStore({ clock }), { create, get });
  const mine = Buffer.from(id);
  return {
    store,
    script,
    count: () => creates,
    become(random: () => Sent) {
      next = random;
    },
    create: (name: string) => createEntry(store, clock, name, mine, (found) => mine.equals(found)),
  };
}

async function ended<T>(clock: SimulatedClock, work: Promise<T>): Promise<T> {
  let isOver = false;
  const over = (): void => {
    isOver = true;
  };
  work.then(over, over);
  await clock.run(() => isOver);
  return work;
}

/** Two writers; the first knows what is usual. */
async function setUp() {
  const clock = new SimulatedClock(0);
  const shared = new MemoryStore({ clock });
  const [me, other] = [writer(clock, shared, 'me'), writer(clock, shared, 'other')];
  for (let i = 0; i < 64; i++) await ended(clock, me.create(`before/${i}`));
  const before = me.count();
  const bytes = async (): Promise<string | undefined> => {
    const found = await shared.get('log/1');
    return found.found ? Buffer.from(found.body).toString() : undefined;
  };
  const settled = () => ended(clock, HedgedCreates.of(me.store, clock).settled());
  return { clock, shared, me, other, bytes, settled, sent: () => me.count() - before };
}

describe('an entry whose PUT is late', () => {
  it('is sent again, and created by whichever comes first', async () => {
    const { clock, me, bytes, sent, settled } = await setUp();
    const startMs = clock.now();
    me.script.push({ up: 500, down: 10 });
    const creation = await ended(clock, me.create('log/1'));
    expect(creation).toEqual({ outcome: 'created', dateMs: startMs + LATE_MS + 10 });
    expect({ sent: sent(), ms: clock.now() - startMs }).toEqual({ sent: 2, ms: LATE_MS + 20 });
    await settled();
    expect(clock.now() - startMs).toBe(510);
    expect(await bytes()).toBe('me');
  });

  it('⚑ attempt-id: is our own where the second PUT is refused because of the first, whose answer is late', async () => {
    const { clock, me, sent } = await setUp();
    const startMs = clock.now();
    me.script.push({ up: 10, down: 500 });
    const creation = await ended(clock, me.create('log/1'));
    expect(creation).toEqual({ outcome: 'created', dateMs: startMs + LATE_MS + 25 });
    expect(sent()).toBe(2);
  });

  it('⚑ attempt-id: is another’s where that was there before the second PUT, and the first, which comes later, changes nothing', async () => {
    const { clock, me, other, bytes, settled } = await setUp();
    me.script.push({ up: 500, down: 10 });
    const creating = me.create('log/1');
    await ended(clock, other.create('log/1'));
    expect(await ended(clock, creating)).toMatchObject({
      outcome: 'taken',
      bytes: Uint8Array.from(Buffer.from('other')),
    });
    await settled();
    expect(await bytes()).toBe('other');
  });

  it('is what the first PUT made it, if only the second fails', async () => {
    for (const error of [timedOut, new StoreError('STORE_BUSY', 'busy', { retryable: true })]) {
      const { clock, me, sent } = await setUp();
      me.script.push({ up: 10, down: 50 }, { up: 1, down: 1, error, lost: true });
      expect(await ended(clock, me.create('log/1'))).toMatchObject({ outcome: 'created' });
      expect(sent()).toBe(2);
    }
  });

  it('is sent anew when both PUTs time out, after the effect of one of them', async () => {
    const { clock, me, sent } = await setUp();
    me.script.push({ up: 500, down: 0, lost: true }, { up: 10, down: 30, error: timedOut });
    expect(await ended(clock, me.create('log/1'))).toMatchObject({ outcome: 'created' });
    expect(sent()).toBe(3);
  });

  it('is told to be unknown when one PUT has failed, and the other may have taken effect', async () => {
    const { clock, me } = await setUp();
    const busy = new StoreError('STORE_BUSY', 'busy', { retryable: true });
    me.script.push({ up: 40, down: 0, error: busy, lost: true }, { up: 10, down: 30, error: timedOut });
    const create = HedgedCreates.of(me.store, clock).create('log/1', Buffer.from('me'));
    await expect(ended(clock, create)).rejects.toBe(timedOut);
  });

  it('⚑ fresh-manifest: made again by a PUT that comes when it is folded and collected, counts for nobody', async () => {
    const R = 1_000;
    const { clock, shared, me, other, bytes, settled } = await setUp();
    const manifestMs = clock.now();
    me.script.push({ up: 3 * R, down: 10 });
    const first = await ended(clock, me.create('log/1'));
    expect(mayConclude(first.dateMs, manifestMs, R)).toBe(true);
    await ended(clock, clock.sleep(2 * R));
    await shared.delete(['log/1']);
    await settled();
    expect(await bytes()).toBe('me');
    // Whoever meets it, by an old manifest or a new one, has folded it or must read the manifest again.
    const late = await ended(clock, other.create('log/1'));
    expect(late.outcome).toBe('taken');
    expect(mayConclude(late.dateMs, manifestMs, R)).toBe(false);
  });
});

describe('two processes that create the same entries, with lost and late answers', () => {
  it('invariant 1: one of them has made each, both know which, and PUTs were sent again', async () => {
    let [hedged, lost] = [0, 0];
    for (let seed = 1; seed <= 12; seed++) {
      const { next } = seededRandom(seed);
      const clock = new SimulatedClock(0);
      const shared = new MemoryStore({ clock });
      const part = (): number => (next() < 0.15 ? 100 : 5 + 5 * next());
      const both = ['a', 'b'].map((id) => {
        const one = writer(clock, shared, id);
        one.become(() => {
          const fails = next() < 0.05;
          if (fails) lost++;
          return { up: part(), down: part(), error: fails ? timedOut : undefined, lost: fails && next() < 0.5 };
        });
        return one;
      });
      for (let n = 0; n < 80; n++) {
        const before = both.map((one) => one.count());
        const creations = await ended(clock, Promise.all(both.map((one) => one.create(`log/${n}`))));
        const found = await shared.get(`log/${n}`);
        const made = found.found ? Buffer.from(found.body).toString() : 'none';
        expect(
          creations.map(({ outcome }) => outcome),
          `seed ${seed}, entry ${n}`,
        ).toEqual(['a', 'b'].map((id) => (id === made ? 'created' : 'taken')));
        for (const one of creations) if (one.outcome === 'taken') expect(Buffer.from(one.bytes).toString()).toBe(made);
        if (both.some((one, i) => one.count() - before[i]! > 1)) hedged++;
      }
    }
    expect(hedged).toBeGreaterThan(50);
    expect(lost).toBeGreaterThan(20);
  });
});
