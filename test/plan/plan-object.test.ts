/** A plan's object: the plan, and behind it a segment that is small. Either is found by its bytes alone, and no damage passes. */
import { describe, expect, it } from 'vitest';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { names, PLANNER } from '../../lib/object-store/names.ts';
import {
  decodePlan,
  decodePlanObject,
  encodePlan,
  encodePlanObject,
  type Plan,
  type StoredPlan,
} from '../../lib/plan/plan.ts';
import { Planner } from '../../lib/plan/planner.ts';
import { PlannerLog } from '../../lib/plan/planner-log.ts';
import type { PartitionInput } from '../../lib/plan/rows.ts';
import { decodeSegment, type EncodedSegment, encodeSegment } from '../../lib/plan/segment.ts';
import { StoredSource } from '../../lib/plan/stored-source.ts';
import { FastClock, gather, openEngine, physical } from '../helpers/engine.ts';
import { JOBS } from '../helpers/engine-jobs.ts';
import { columnBatchOf, plainInput } from '../helpers/row-batches.ts';
import { countingStore } from '../helpers/stores.ts';

const NAMES = names('job', 1);
const NAME = NAMES.log(PLANNER, 1);

/** Of one partition, with a row of so many characters. */
function inputOf(characters: number): PartitionInput {
  const edge = columnBatchOf({
    keys: ['\x06a\x00', '\x06b\x00'],
    times: [1, 2],
    rows: [{ text: 'ü' }, { text: 'x'.repeat(characters) }],
    primary: [true, true],
    pieces: [0, 0],
  });
  return { edges: [edge], quarantined: [], objects: ['a'] };
}

/** @param pieces whose names make the plan long */
function planOf({ bytes, hash }: EncodedSegment, isInside: boolean, pieces = 1): Plan {
  const piece = { source: 'events', version: '1', from: 0, to: 2, done: true };
  return {
    n: 1,
    kind: 'data',
    pieces: Array.from({ length: pieces }, (_, i) => ({ ...piece, name: `object-${i}-ä` })),
    segment: hash,
    ...(isInside ? { segmentBytes: bytes.length } : {}),
    counts: { rows: 2, dropped: 0, quarantined: 0 },
    inputs: {},
    watermark: null,
    previousWatermark: null,
    processingTime: 1,
    headHash: 'h',
    previousHash: '',
    attempt: 'a',
  };
}

const SEGMENT = encodeSegment([inputOf(3), inputOf(5)]);
const STORED = encodePlan(planOf(SEGMENT, true));
const OBJECT = encodePlanObject(STORED, SEGMENT.bytes);

/** All that an object says; throws where it says nothing. */
function all(bytes: Uint8Array): unknown {
  const { stored, segment } = decodePlanObject(bytes, NAME, 1)!;
  const { hash, keys, input } = decodeSegment(segment!, NAME);
  if (hash !== stored.plan.segment) throw Object.assign(new Error('another segment'), { code: 'CORRUPT' });
  return [stored.plan, [0, 1].map((p) => [keys(p), plainInput(input(p))])];
}

const hex = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString('hex');
const plainPlan = ({ plan, hash, bytes }: StoredPlan) => ({ plan, hash, bytes: hex(bytes) });

const codeOf = (run: () => unknown): unknown => {
  try {
    return run();
  } catch (error) {
    return (error as { code?: string }).code;
  }
};

describe('the object of a plan', () => {
  it('holds the plan alone, or the plan and its segment; the hash is that of the plan alone', () => {
    expect(decodePlanObject(OBJECT, NAME, 1)).toEqual({ stored: STORED, segment: SEGMENT.bytes });
    expect(decodePlan(STORED.bytes, NAME, 1)).toEqual(STORED);
    const apart = encodePlan(planOf(SEGMENT, false));
    expect(decodePlanObject(encodePlanObject(apart, undefined), NAME, 1)).toEqual({
      stored: apart,
      segment: undefined,
    });
  });

  it('is of version 1 where nothing stands behind the plan, as those before are', () => {
    const begin = ({ bytes }: { bytes: Uint8Array }): string => Buffer.from(bytes.subarray(0, 27)).toString();
    expect(begin(encodePlan(planOf(SEGMENT, false)))).toBe('{"misa":"plan","version":1,');
    expect(begin(STORED)).toBe('{"misa":"plan","version":2,');
  });

  it('is damaged wherever it is cut off, and whichever bit is flipped', () => {
    for (let length = 0; length < OBJECT.length; length++) {
      expect(
        codeOf(() => all(OBJECT.subarray(0, length))),
        `${length} bytes`,
      ).toBe('CORRUPT');
    }
    expect(codeOf(() => all(Buffer.concat([OBJECT, Buffer.from('x')])))).toBe('CORRUPT');
    const original = JSON.stringify(all(OBJECT));
    for (let i = 0; i < OBJECT.length * 8; i++) {
      const bytes = Uint8Array.from(OBJECT);
      bytes[i >> 3]! ^= 1 << (i & 7);
      const found = codeOf(() => JSON.stringify(all(bytes)));
      expect(['CORRUPT', 'NEWER_FORMAT', 'OLDER_FORMAT', original], `bit ${i}`).toContain(found);
    }
  });

  it('has the length that the plan says, though only its beginning is read', () => {
    const beginning = OBJECT.subarray(0, STORED.bytes.length + 3);
    const { stored, segment } = decodePlanObject(beginning, NAME, 1, OBJECT.length)!;
    expect([plainPlan(stored), segment]).toEqual([plainPlan(STORED), undefined]);
    for (const size of [OBJECT.length - 1, OBJECT.length + 1]) {
      expect(codeOf(() => decodePlanObject(beginning, NAME, 1, size))).toBe('CORRUPT');
    }
    expect(codeOf(() => decodePlanObject(STORED.bytes, NAME, 1))).toBe('CORRUPT');
  });

  it('is not known to be whole or damaged before its plan is read to the end', () => {
    expect(decodePlanObject(OBJECT.subarray(0, STORED.bytes.length - 1), NAME, 1, OBJECT.length)).toBeUndefined();
    const before = encodePlan(planOf(SEGMENT, false)).bytes;
    expect(decodePlanObject(before.subarray(0, before.length - 1), NAME, 1, before.length)).toBeUndefined();
  });

  it('is refused by its number where it is of a version to come, however that looks', () => {
    for (const text of ['{"misa":"plan","version":3,"sum":"x","body":{}}', '{"misa":"plan","version":12,"parts":[']) {
      expect(codeOf(() => decodePlan(Buffer.from(text), NAME, 1))).toBe('NEWER_FORMAT');
    }
    for (const text of ['{"misa":"plan","version":2,"sum":"x","body":{}}', '{"misa":"log","version":3,"parts":[']) {
      expect(codeOf(() => decodePlan(Buffer.from(text), NAME, 1))).toBe('CORRUPT');
    }
  });
});

/** What is asked of a store for a plan and its rows. */
async function read(characters: number, isInside: boolean, pieces = 1) {
  const memory = new MemoryStore({ clock: new FastClock() });
  const segment = encodeSegment([inputOf(3), inputOf(characters)]);
  const stored = encodePlan(planOf(segment, isInside, pieces));
  await memory.create(NAME, encodePlanObject(stored, isInside ? segment.bytes : undefined));
  if (!isInside) await memory.create(NAMES.segment(1, segment.hash), segment.bytes);
  const store = countingStore(memory);
  const source = new StoredSource({ store, names: NAMES, partitions: 2 });
  const found = await source.plan(1);
  expect(plainPlan(found)).toEqual(plainPlan(stored));
  const ofPlan = store.calls.length;
  const bytesOfPlan = store.calls.at(-1)!.range?.length;
  for (const [p, wanted] of [inputOf(3), inputOf(characters)].entries()) {
    expect(plainInput(await source.input(0, p, found))).toEqual(plainInput(wanted));
  }
  const ofRows = store.calls.slice(ofPlan).map(({ name, range }) => [name.split('/')[2], range?.length]);
  return { ofPlan, bytesOfPlan, ofRows, size: stored.bytes.length + segment.bytes.length, segment, stored, memory };
}

describe('reading a plan and its rows', () => {
  const FIRST = 65_536;

  it('takes one request where both are small, and the end of the rows is never left out', async () => {
    const spare = FIRST - (await read(1000, true)).size + 1000;
    for (const characters of [1000, ...Array.from({ length: 40 }, (_, i) => spare - 20 + i)]) {
      const { ofPlan, ofRows, size, segment } = await read(characters, true);
      expect(ofPlan).toBe(1);
      const range = ['plan', segment.bytes.length];
      expect(ofRows, `${size} bytes`).toEqual(size <= FIRST ? [] : [range, range]);
    }
  });

  it('takes no row that nobody asks for where they are many', async () => {
    const { ofPlan, bytesOfPlan, ofRows, segment } = await read(500_000, true);
    expect([ofPlan, bytesOfPlan]).toEqual([1, FIRST]);
    expect(ofRows[0]).toEqual(['plan', segment.bytes.length]);
  });

  it('takes one more where the plan itself is long', async () => {
    for (const isInside of [true, false]) {
      const { ofPlan, bytesOfPlan, ofRows } = await read(10, isInside, 1000);
      expect([ofPlan, bytesOfPlan]).toEqual([2, undefined]);
      expect(ofRows).toEqual(isInside ? [] : [0, 1].map(() => ['seg', undefined]));
    }
  });

  it('finds the rows of a plan that a message brought', async () => {
    for (const isInside of [true, false]) {
      const { memory, stored, segment } = await read(10, isInside);
      const carried = decodePlan(stored.bytes, 'a message', 1);
      const source = new StoredSource({ store: memory, names: NAMES, partitions: 2 });
      expect((await source.segment(carried))?.hash).toBe(segment.hash);
      // Rows that came with another plan are not taken for its own.
      const others = encodeSegment([inputOf(7), inputOf(7)]);
      const other = encodePlan({ ...planOf(others, true), n: 2 });
      await memory.create(NAMES.log(PLANNER, 2), encodePlanObject(other, others.bytes));
      await source.plan(2);
      expect(plainInput(await source.input(0, 1, carried))).toEqual(plainInput(inputOf(10)));
      await memory.delete([NAME, NAMES.segment(1, segment.hash)]);
      const late = new StoredSource({ store: memory, names: NAMES, partitions: 2 });
      await expect(late.input(0, 0, carried)).rejects.toMatchObject({ code: 'CORRUPT' });
      expect(await late.segment(carried)).toBeUndefined();
    }
  });

  it('gives the log what it gave before: who folds plans sees nothing of the rows behind them', async () => {
    const [inside, apart] = [await read(10, true), await read(10, false)];
    const entries = await Promise.all(
      [inside, apart].map(async ({ memory, stored }) => {
        const found = await new PlannerLog(memory, NAMES).read(1);
        expect(found.found && found.entry.bytes).toBe(stored.bytes.length);
        return found.found ? [...found.entry.changes()] : undefined;
      }),
    );
    expect(entries[0]).toEqual(entries[1]);
  });
});

it('a segment stands behind its plan up to a limit, to the byte', async () => {
  const job = physical(JOBS.running(), { partitions: 2, noDataBatches: false });
  const rows = (n: number) => ({ events: Array.from({ length: n }, (_, i) => ({ t: i, k: `k${i}`, v: i })) });
  const { bytes } = encodeSegment(gather(job, rows(20), 'rows-0').inputs);
  for (const [insideBytes, isInside] of [
    [bytes.length, true],
    [bytes.length - 1, false],
    [undefined, true],
    [0, false],
  ] as const) {
    const store = countingStore(new MemoryStore({ clock: new FastClock() }));
    const { engine } = await openEngine({ job, store, insideBytes });
    const { plan } = await engine.batch(gather(job, rows(20), 'rows-0'));
    expect(plan.plan.segmentBytes).toBe(isInside ? bytes.length : undefined);
    expect(store.count('create', '/seg/')).toBe(isInside ? 0 : 1);
  }
  // By default: far above what a message carries, and below what takes long to send.
  const opened = await openEngine({ job, store: new MemoryStore({ clock: new FastClock() }) });
  const of = (n: number) => new Planner(opened.env).storeSegment(1, gather(job, rows(n), 'rows-0'));
  expect([of(2000), of(40_000)].map(({ isInside }) => isInside)).toEqual([true, false]);
});
