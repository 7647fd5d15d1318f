/**
 * Rows by way of the queue that keeps order: whatever becomes of the functions, the rows of a source are planned in the order
 * in which they were sent, each message once, and what can never be planned holds up nobody.
 */
import type { SQSRecord } from 'aws-lambda';
import { describe, expect, it } from 'vitest';
import { deliveryOf } from '../../lib/aws/deliveries.ts';
import { openEnvironment } from '../../lib/aws/function-environment.ts';
import { inSentOrder, passedOver } from '../../lib/aws/in-order.ts';
import { Ingest } from '../../lib/aws/ingest.ts';
import { NO_REPORT } from '../../lib/aws/report.ts';
import type { Settings } from '../../lib/aws/settings.ts';
import { answerSqs } from '../../lib/aws/sqs-function.ts';
import { StoreError } from '../../lib/errors.ts';
import { count, job, source } from '../../lib/index.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { numberOf } from '../../lib/object-store/names.ts';
import type { ObjectStore } from '../../lib/object-store/object-store.ts';
import { decodePlanObject, type Piece } from '../../lib/plan/plan.ts';
import { producer } from '../../lib/producer.ts';
import type { Queue } from '../../lib/queue/queue.ts';
import { rowMessages } from '../../lib/queue/row-messages.ts';
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import { ManualClock } from '../../lib/util/clock.ts';
import { type Random, seededRandom } from '../../lib/util/random.ts';
import { physical } from '../helpers/engine.ts';
import { FifoQueue } from '../helpers/fifo-queue.ts';
import { CrashError, hookedStore } from '../helpers/stores.ts';

interface Row {
  readonly k: string;
  readonly v: number;
}

/** Two sources, so two groups. */
const JOB: PhysicalJob = physical(
  job(
    'records',
    source<Row>('ones')
      .union(source<Row>('twos'))
      .keyBy((r) => r.k)
      .aggregate({ n: count() }),
    { outputMode: 'update' },
  ),
  { trigger: { maxRows: 8, maxBytes: 1 << 20, maxWaitMs: 0 }, partitions: 2 },
);
const VISIBILITY_MS = 360_000;
const MAX_RECEIVES = 20;
const MAX_STEPS = 5000;

interface Chances {
  /** A function is killed at one of its first requests: its messages stay hidden until their time-out. */
  readonly kill?: number;
  /** A request to the store is refused for now. */
  readonly busy?: number;
  /** What was answered is not deleted, and comes again. */
  readonly undeleted?: number;
  /** A second invocation begins before the first has ended. */
  readonly race?: number;
}

const NONE: Queue = {
  send: async () => {},
  changeVisibility: async () => {},
  receive: async () => [],
  delete: async () => {},
  depth: async () => ({ visible: 0, inFlight: 0, delayed: 0 }),
};

class Records {
  readonly clock = new ManualClock(1_000_000);
  readonly fifo = new FifoQueue(this.clock, { visibilityMs: VISIBILITY_MS, maxReceives: MAX_RECEIVES });
  readonly pieces: Piece[] = [];
  /** The store refuses everything. */
  downUntilMs = 0;
  readonly #store: ObjectStore;
  readonly #random: Random;
  readonly #chances: Chances;

  constructor(seed: number, chances: Chances = {}) {
    this.#random = seededRandom(seed);
    this.#chances = chances;
    const inner = new MemoryStore({ clock: this.clock });
    let planned = 0;
    const create: ObjectStore['create'] = async (name, body, options) => {
      const answer = await inner.create(name, body, options);
      if (answer.ok && name.includes('/plan/') && numberOf(name) > planned) {
        planned = numberOf(name);
        this.pieces.push(...decodePlanObject(body, name, planned)!.stored.plan.pieces);
      }
      return answer;
    };
    this.#store = { ...hookedStore(inner, {}), create };
  }

  send(sourceName: string, rows: readonly unknown[], random: Random): Promise<void> {
    return this.fifo.queue.send([...rowMessages(sourceName, rows, { fifo: true, random, maxRows: 3 })]);
  }

  /** Names of messages in the order in which they were planned. */
  planned(sourceName: string): string[] {
    return this.pieces.filter((piece) => piece.source === sourceName).map(({ name }) => name);
  }

  async settle(): Promise<void> {
    for (let steps = 0; this.fifo.length > 0; steps++) {
      if (steps > MAX_STEPS) throw new Error(`${this.fifo.length} messages do not come to rest`);
      const invocations = [this.#invoke()];
      while (this.#chance('race')) invocations.push(this.#invoke());
      // Retries of requests wait for the clock.
      let ended = false;
      const all = Promise.all(invocations).finally(() => {
        ended = true;
      });
      while (!ended) {
        await new Promise((resolve) => setImmediate(resolve));
        if (!ended) this.clock.advance(10);
      }
      if (!(await all).some(Boolean)) this.clock.advance(20_000);
    }
  }

  /** In a new environment, with what the queue gives. @returns whether it gave any */
  async #invoke(): Promise<boolean> {
    const records = this.fifo.receive(1 + Math.floor(this.#random.next() * 10));
    if (records.length > 0) await this.invoke(records);
    return records.length > 0;
  }

  async invoke(records: SQSRecord[]): Promise<void> {
    let left = this.#chance('kill') ? Math.floor(this.#random.next() * 10) : Number.POSITIVE_INFINITY;
    let killed = false;
    const store = hookedStore(this.#store, {
      before: ({ op, name }) => {
        if (left-- <= 0) {
          killed = true;
          throw new CrashError('killed');
        }
        if (this.clock.now() < this.downUntilMs || this.#chance('busy'))
          throw new StoreError('STORE_BUSY', `slow down: ${op} ${name}`, { retryable: true });
      },
    });
    const settings = {
      inputs: [],
      foldQueue: 'fold',
      planQueue: 'plan',
      batchQueue: (stage: number, partition: number) => `s${stage}/p${partition}`,
    } as unknown as Settings;
    const { clock } = this;
    const services = { job: JOB, settings, store, queue: () => NONE, clock, report: NO_REPORT };
    const random = seededRandom(Math.floor(this.#random.next() * 2 ** 31));
    const answer = await answerSqs(
      { Records: records },
      { getRemainingTimeInMillis: () => 900_000 },
      {
        clock,
        report: NO_REPORT,
        queue: this.fifo.queue as Queue,
        atOnce: passedOver,
        work: async (all, invocation) => {
          const env = await openEnvironment({ ...services, random, cache: undefined, retentionMs: 1_800_000 });
          const failed = await new Ingest(env, NO_OBJECTS).run(inSentOrder(all).map(deliveryOf), invocation);
          // Whoever is killed shows nothing again.
          if (killed) throw new CrashError('killed');
          return failed;
        },
      },
    );
    if (killed) await Promise.all(records.map((r) => this.fifo.queue.changeVisibility(r.receiptHandle, 360)));
    else if (!this.#chance('undeleted')) this.fifo.answer(records, answer);
  }

  #chance(of: keyof Chances): boolean {
    const p = this.#chances[of] ?? 0;
    return p > 0 && this.#random.next() < p;
  }
}

/** None is announced. */
const NO_OBJECTS = {} as unknown as ConstructorParameters<typeof Ingest>[1];

/** Sends rows of both sources by turns. @returns names of the messages, by source, in order */
async function sendSome(records: Records, seed: number): Promise<Record<string, string[]>> {
  const random = seededRandom(seed);
  const names: Record<string, string[]> = { ones: [], twos: [] };
  for (let i = 0; i < 40; i++) {
    const of = random.next() < 0.7 ? 'ones' : 'twos';
    const rows = Array.from({ length: 1 + Math.floor(random.next() * 7) }, (_, v) => ({ k: `k${v}`, v: i }));
    const messages = [...rowMessages(of, rows, { fifo: true, random, maxRows: 3 })];
    await records.fifo.queue.send(messages);
    names[of]!.push(...messages.map(({ dedupId }) => `message ${dedupId}`));
  }
  return names;
}

describe('the queue that keeps order', () => {
  it('gives the rows of a source to plans in the order in which they were sent', async () => {
    const records = new Records(1);
    const names = await sendSome(records, 1);
    await records.settle();
    for (const of of ['ones', 'twos']) expect(records.planned(of)).toEqual(names[of]);
    expect(records.fifo.dead).toEqual([]);
  });

  it('whatever becomes of the functions and of their answers', async () => {
    for (let seed = 2; seed < 30; seed++) {
      const records = new Records(seed, { kill: 0.2, busy: 0.02, undeleted: 0.2, race: 0.3 });
      const names = await sendSome(records, seed);
      await records.settle();
      for (const of of ['ones', 'twos']) expect(records.planned(of), `seed ${seed}, ${of}`).toEqual(names[of]);
      expect(records.fifo.dead, `seed ${seed}`).toEqual([]);
    }
  });

  it('passes over a message that can never be planned, which dies alone, and at once', async () => {
    const records = new Records(1);
    const random = seededRandom(7);
    const names: string[] = [];
    for (let i = 0; i < 12; i++) {
      if (i === 4) {
        const body = JSON.stringify({ misa: 1, id: 'poison', source: 'nobody', rows: [1] });
        await records.fifo.queue.send([{ body, group: 'ones', dedupId: 'poison' }]);
      }
      const [message] = rowMessages('ones', [{ k: 'a', v: i }], { fifo: true, random });
      await records.fifo.queue.send([message!]);
      names.push(`message ${message!.dedupId}`);
    }
    const beganMs = records.clock.now();
    await records.settle();
    expect(records.planned('ones')).toEqual(names);
    expect(records.fifo.dead.map((body) => JSON.parse(body).id)).toEqual(['poison']);
    expect(records.clock.now() - beganMs).toBeLessThan(60_000);
  });

  it('waits longer each time for a store that is down, so that nothing dies of it', async () => {
    const records = new Records(1);
    const names = await sendSome(records, 1);
    records.downUntilMs = records.clock.now() + 30 * 60_000;
    await records.settle();
    for (const of of ['ones', 'twos']) expect(records.planned(of)).toEqual(names[of]);
    expect(records.fifo.dead).toEqual([]);
  });

  it('drops what a sender sends again whose answer was lost, and the planner what comes after five minutes', async () => {
    const records = new Records(1);
    const [message] = rowMessages('ones', [{ k: 'a', v: 1 }], { fifo: true, random: seededRandom(3) });
    await records.fifo.queue.send([message!]);
    await records.fifo.queue.send([message!]);
    expect(records.fifo.length).toBe(1);
    await records.settle();
    records.clock.advance(6 * 60_000);
    await records.fifo.queue.send([message!]);
    expect(records.fifo.length).toBe(1);
    await records.settle();
    expect(records.planned('ones')).toEqual([`message ${message!.dedupId}`]);
  });

  it('takes what a producer sends to it', async () => {
    const records = new Records(1);
    const { fifo } = records;
    const parts = { openQueue: async () => ({ queue: fifo.queue as Queue, close() {} }), random: seededRandom(5) };
    const ones = producer<Row>({ queueUrl: 'https://sqs/1/records.fifo', source: 'ones', maxBatchRows: 2 }, parts);
    await ones.send(Array.from({ length: 9 }, (_, v) => ({ k: 'a', v })));
    await ones.close();
    await records.settle();
    expect(records.pieces.map(({ to }) => to)).toEqual([2, 2, 2, 2, 1]);
  });
});

describe('the standard queue', () => {
  const record = (id: string, sentMs: number, attributes: Record<string, string> = {}): SQSRecord =>
    ({
      messageId: id,
      receiptHandle: id,
      body: JSON.stringify({ misa: 1, source: 'ones', id, rows: [{ k: 'a', v: 1 }] }),
      attributes: { ApproximateReceiveCount: '1', SentTimestamp: String(sentMs), ...attributes },
      messageAttributes: {},
    }) as unknown as SQSRecord;

  it('gives messages that come in one invocation to plans by the time they were sent', async () => {
    const records = new Records(1);
    await records.invoke([record('c', 1_003), record('a', 999), record('d', 1_003), record('b', 1_002)]);
    expect(records.planned('ones')).toEqual(['message a', 'message b', 'message c', 'message d']);
  });

  it('unlike a FIFO queue, whose are taken as they come, whatever the clocks of its servers say', () => {
    const fifo = ['b', 'a'].map((id, i) => record(id, 1_000 - i, { SequenceNumber: String(i) }));
    expect(inSentOrder(fifo)).toEqual(fifo);
  });
});
