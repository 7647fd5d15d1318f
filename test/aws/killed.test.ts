/** A batch that kills its process, and batches that do not though their triggers come again and again. */
import { describe, expect, it } from 'vitest';
import { encodeMessage } from '../../lib/aws/messages.ts';
import { resumeHalted } from '../../lib/commit/halt.ts';
import { StoreError } from '../../lib/errors.ts';
import { readJobFile } from '../../lib/job/job-file.ts';
import type { Halt } from '../../lib/manifest/manifest.ts';
import { loadManifest } from '../../lib/manifest/manifest-store.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { names, numberOf } from '../../lib/object-store/names.ts';
import { seededRandom } from '../../lib/util/random.ts';
import { FastClock, outcomeOf } from '../helpers/engine.ts';
import { type Sum, sums } from '../helpers/engine-jobs.ts';
import { SimulatedAws, sequentialOutcome } from '../helpers/simulated-aws.ts';
import { hookedStore, type StoreCall } from '../helpers/stores.ts';

const MINUTE = 60_000;
const NAMES = names('sums', 1);
const PATH = 's0/p0';
const rows = (i: number): Sum[] => [...'abcdefgh'].map((k) => ({ k, v: i }));
const send = (aws: SimulatedAws, i: number): void =>
  aws.send({ misa: 1, source: 'rows', id: `rows-${i}`, rows: rows(i) });

/** The request by which a partition commits a batch. */
const commits = ({ op, name }: StoreCall): number =>
  op === 'create' && name.startsWith(NAMES.logPrefix(PATH)) ? numberOf(name) : 0;

/** As on AWS: what died in flight comes back when its visibility ends, and the schedule goes on meanwhile. */
async function live(aws: SimulatedAws, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (const queue of [...aws.queues.values()]) for (let i = queue.length; i > 0; i--) await aws.deliverOne();
    for (let minute = 0; minute < 20; minute++) {
      aws.clock.advance(MINUTE);
      await aws.invoke('maintain', ['{}']);
    }
  }
}

async function haltOf(aws: SimulatedAws, path = PATH): Promise<Halt | null> {
  return (await loadManifest(aws.store, NAMES.manifest(path))).manifest.halted;
}

async function check(aws: SimulatedAws): Promise<void> {
  const rowsOf = (name: string): Sum[] => rows(Number(name.split('-')[1]));
  expect(await outcomeOf(aws.store, aws.job)).toEqual(await sequentialOutcome(aws.plans, aws.job, rowsOf));
}

describe('⚑ killed-starts', () => {
  it('a batch that kills its process halts its partition after a few, with the reason; resumed, it has as many tries again', async () => {
    const aws = new SimulatedAws(sums(), 1);
    send(aws, 1);
    await aws.settle();
    let kills = 0;
    aws.deadly = (call) => commits(call) === 2 && ++kills > 0;
    send(aws, 2);
    await live(aws, 12);
    expect(await haltOf(aws)).toMatchObject({
      n: 2,
      code: 'PROCESS_KILLED',
      reason: expect.stringMatching(/killed .*out of memory.*Raise memorySize or timeout.*misa resume/),
    });
    // Once before anyone knew that it is tried again, three times that were written down, and some side by side with these.
    expect(kills).toBeGreaterThanOrEqual(3);
    expect(kills).toBeLessThanOrEqual(6);
    expect(aws.dead).toEqual([]);
    expect(await haltOf(aws, 's0/p1')).toBeNull();
    expect(aws.metrics.get('Halted')).toBeGreaterThan(0);

    kills = 0;
    const random = seededRandom(9);
    await resumeHalted({ store: aws.store, names: NAMES, path: PATH, random });
    await live(aws, 12);
    expect(await haltOf(aws)).toMatchObject({ code: 'PROCESS_KILLED' });
    expect(kills).toBeGreaterThanOrEqual(3);
    expect(kills).toBeLessThanOrEqual(6);

    aws.deadly = () => false;
    await resumeHalted({ store: aws.store, names: NAMES, path: PATH, random });
    await live(aws, 2);
    await aws.settle();
    await check(aws);
  });

  it('a catch-up in which every process is killed, each a batch further, is not halted', async () => {
    const aws = new SimulatedAws(sums(), 1);
    for (let i = 1; i <= 8; i++) {
      send(aws, i);
      await aws.invoke(
        'input',
        aws.queues.get('input')!.map(({ body }) => body),
      );
      aws.queues.set('input', []);
    }
    // Lost but for the last: one message, all batches.
    for (const [url, queue] of aws.queues) if (url.startsWith('s0/')) queue.splice(0, queue.length - 1);
    const tries = new Map<number, number>();
    aws.deadly = (call) => {
      const n = commits(call);
      if (n === 0) return false;
      tries.set(n, (tries.get(n) ?? 0) + 1);
      return tries.get(n)! <= 2;
    };
    await live(aws, 30);
    expect(await haltOf(aws)).toBeNull();
    expect([...tries.keys()]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    await aws.settle();
    await check(aws);
  });

  it('failures in good order do not count, however many, nor do tries that may still be running', async () => {
    let broken = false;
    const store = hookedStore(new MemoryStore({ clock: new FastClock() }), {
      before(call) {
        if (broken && commits(call) === 2) throw new StoreError('STORE_BUSY', 'slow down', { retryable: true });
      },
    });
    const aws = new SimulatedAws(sums(), 1, {}, store);
    send(aws, 1);
    await aws.settle();
    const { id } = await readJobFile(aws.store, 'sums');
    const trigger = encodeMessage({ kind: 'batch', job: id, stage: 0, partition: 0, n: 2, tries: 7 });
    broken = true;
    send(aws, 2);
    while (aws.plans.length < 2) await aws.deliverOne();
    for (let i = 0; i < 10; i++) {
      await aws.invoke(PATH, [trigger]);
      aws.clock.advance(20 * MINUTE);
    }
    expect(await haltOf(aws)).toBeNull();
    broken = false;

    // A try that is slow looks like one that is dead: until its time is over nobody can say.
    aws.deadly = (call) => commits(call) === 2;
    for (let i = 0; i < 10; i++) await aws.invoke(PATH, [trigger]);
    expect(await haltOf(aws)).toBeNull();
    // One that ends in good order shows that it can be done: counting begins anew.
    aws.deadly = () => false;
    broken = true;
    await aws.invoke(PATH, [trigger]);
    broken = false;
    aws.deadly = (call) => commits(call) === 2;
    aws.clock.advance(20 * MINUTE);
    await aws.invoke(PATH, [trigger]);
    expect(await haltOf(aws)).toBeNull();
    aws.deadly = () => false;
    await aws.settle();
    await check(aws);
  });

  it('what is known of tries may be lost or damaged', async () => {
    const aws = new SimulatedAws(sums(), 1);
    send(aws, 1);
    await aws.settle();
    aws.deadly = (call) => commits(call) === 2;
    send(aws, 2);
    await aws.store.put(NAMES.starts(PATH), Buffer.from('{'));
    await live(aws, 12);
    expect(await haltOf(aws)).toMatchObject({ code: 'PROCESS_KILLED' });
  });
});
