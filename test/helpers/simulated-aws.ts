/**
 * The functions of a job on simulated queues and a store in memory, from one seed: messages are dropped, doubled and
 * shuffled, functions race, are killed in the middle of a request and thrown away, requests to the store are refused or not
 * answered. What comes out must be what a sequential run of the accepted plans gives (`sequentialOutcome`).
 */

import type { SQSRecord } from 'aws-lambda';
import { type FunctionEnvironment, openEnvironment } from '../../lib/aws/function-environment.ts';
import type { InputObjects } from '../../lib/aws/input-objects.ts';
import { DeadlineError, Invocation } from '../../lib/aws/invocation.ts';
import type { MetricName, Report } from '../../lib/aws/report.ts';
import type { Settings } from '../../lib/aws/settings.ts';
import { stagePaths } from '../../lib/commit/commit-work.ts';
import { HaltedError, resumeHalted } from '../../lib/commit/halt.ts';
import { StoreError, StoreTimeoutError } from '../../lib/errors.ts';
import { readJobFile } from '../../lib/job/job-file.ts';
import type { Halt } from '../../lib/manifest/manifest.ts';
import { loadManifest } from '../../lib/manifest/manifest-store.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { names, numberOf, PLANNER } from '../../lib/object-store/names.ts';
import type { ObjectStore } from '../../lib/object-store/object-store.ts';
import { gatheredFrom, noRows } from '../../lib/plan/gathered.ts';
import { decodePlanObject, type Plan } from '../../lib/plan/plan.ts';
import { FlushUnderWayError } from '../../lib/plan/planner.ts';
import { SegmentBuilder } from '../../lib/plan/segment-builder.ts';
import type { OutgoingMessage, Queue } from '../../lib/queue/queue.ts';
import type { InputObject } from '../../lib/source/index.ts';
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import type { Clock } from '../../lib/util/clock.ts';
import { type Random, seededRandom } from '../../lib/util/random.ts';
import { compareUtf8 } from '../../lib/util/utf8-order.ts';
import { FastClock, openEngine, outcomeOf } from './engine.ts';
import { type SimulatedWork, simulatedSettings, simulatedWork } from './simulated-functions.ts';
import { type CountingStore, CrashError, countingStore, hookedStore, type StoreCall } from './stores.ts';

/** Chances by kind of fault, 0 to 1. */
export interface Faults {
  /** A message between functions is lost. Input is not: its queue keeps it. */
  readonly drop?: number;
  /** A message is delivered and comes again. */
  readonly double?: number;
  /** A message is taken from anywhere in its queue. */
  readonly shuffle?: number;
  /** A function is killed at one of its first requests. */
  readonly kill?: number;
  /** An environment is thrown away before an invocation. */
  readonly cold?: number;
  /** Another delivery goes on at the same time. */
  readonly race?: number;
  /** Preload functions always fail. */
  readonly noPreload?: boolean;
  /** A request to the store is refused for now, without effect: throttling (503 SlowDown, 429), a conflict (409). */
  readonly busy?: number;
  /** A request to the store has no answer, or a 5xx, as often with effect as without. */
  readonly timeOut?: number;
}

interface Message extends OutgoingMessage {
  readonly id: string;
  tries: number;
}

interface Running {
  readonly env: FunctionEnvironment;
  readonly work: SimulatedWork;
  readonly life: Life;
  busy: boolean;
}

/** Whether an environment is alive, and how many requests it has left. */
class Life {
  left = Number.POSITIVE_INFINITY;
  afterEffect = false;
  onDeath: () => void = () => {};

  spend(effect: boolean): void {
    if (this.left > 0 && effect) this.left--;
    if (this.left > 0 || (effect && this.left === 0 && this.afterEffect)) return;
    this.onDeath();
    throw new CrashError('this environment was killed');
  }
}

/** An invocation whose time is nearly up as soon as something has happened. */
class Short extends Invocation {
  readonly #until: () => boolean;

  constructor(clock: Clock, until: () => boolean) {
    super(clock, Number.POSITIVE_INFINITY);
    this.#until = until;
  }

  override get remainingMs(): number {
    return this.#until() ? 1 : super.remainingMs;
  }
}

const MAX_STEPS = 5000;
/** Deliveries of a message before it is among the dead. */
const MAX_TRIES = 30;

export class SimulatedAws {
  readonly clock = new FastClock();
  readonly store: CountingStore;
  readonly queues = new Map<string, Message[]>();
  readonly metrics = new Map<MetricName, number>();
  readonly errors: unknown[] = [];
  /** What was got over. */
  readonly troubles: string[] = [];
  readonly dead: Message[] = [];
  /** Sends by queue, and invocations by function. */
  readonly counts = new Map<string, number>();
  /** Another one is deployed with the next environments: {@link SimulatedAws.allCold}. */
  job: PhysicalJob;
  /** Objects of the bucket `inputs`, by key. */
  readonly objects = new Map<string, InputObject>();
  /** Requests at which a process is killed each time it comes there. */
  deadly: (call: StoreCall) => boolean = () => false;
  /** Of those that are not in their first version. */
  readonly etags = new Map<string, string>();
  places: Settings['inputs'];
  overwritten: Settings['overwritten'] = 'ignore';
  /** Of `JobServices`, of the next environments. */
  insideBytes: number | undefined;
  /** Accepted plans, kept beyond their collection. */
  readonly plans: Plan[] = [];
  readonly #random: Random;
  readonly #faults: Faults;
  readonly #running = new Map<string, Running[]>();
  #ids = 0;
  /** The store does what it is asked, whatever the faults. */
  #calm = false;
  /** Messages that wait for the clock to move on: input behind a flush. */
  #hidden: { readonly url: string; readonly message: Message }[] = [];
  /** Messages that wait for the planning to be resumed. */
  #parked: { readonly url: string; readonly message: Message }[] = [];

  constructor(job: PhysicalJob, seed: number, faults: Faults = {}, store?: ObjectStore) {
    this.job = job;
    this.places = [{ bucket: 'inputs', prefix: '', source: job.sources[0]!.name }];
    this.#random = seededRandom(seed);
    this.#faults = faults;
    const inner = store ?? new MemoryStore({ clock: this.clock });
    const create: ObjectStore['create'] = async (name, body, options) => {
      const answer = await inner.create(name, body, options);
      // One that is made again after it was collected does not count.
      if (answer.ok && name.includes('/plan/') && numberOf(name) > this.plans.length) {
        this.plans.push(decodePlanObject(body, name, numberOf(name))!.stored.plan);
      }
      return answer;
    };
    const keeping = hookedStore(inner, {});
    this.store = countingStore({ ...keeping, create });
  }

  /** A message to the input queue. */
  send(body: unknown, attributes: Record<string, string> = {}): void {
    this.#push('input', { body: typeof body === 'string' ? body : JSON.stringify(body), attributes });
  }

  /** Delivers until nothing is left to do, sweeps included. */
  async settle(): Promise<void> {
    this.#calm = false;
    for (let quiet = 0, failed = 0, steps = 0; quiet < 3; steps++) {
      if (steps > MAX_STEPS) throw new Error(`it does not come to rest: ${[...this.counts].join(' ')}`);
      const deliveries = [this.#deliver()];
      while (this.#chance(this.#faults.race)) deliveries.push(this.#deliver());
      const delivered = await Promise.all(deliveries);
      if (delivered.some(Boolean)) {
        quiet = 0;
        failed = 0;
        this.#calm = false;
        continue;
      }
      // What a killed one left behind is found by the clock.
      this.clock.advance(120_000);
      const before = this.#changes();
      const looked = await this.#invoke('maintain', []);
      const after = this.#changes();
      const hidden = this.#hidden.splice(0);
      for (const { url, message } of hidden) this.queues.get(url)!.push(message);
      const idle = [...this.queues.values()].every((queue) => queue.length === 0);
      // One that was killed, or that the store did not answer, has not looked.
      quiet = looked && idle && before === after ? quiet + 1 : 0;
      // It asks the store for so much that with faults hardly any look would succeed: some fail, then they stop.
      if (!looked) failed++;
      this.#calm = failed >= 2;
    }
  }

  /**
   * As {@link settle}, beside someone who resumes what is halted because its process was killed: chance kills three tries in a
   * row, too.
   */
  async settleAndResume(): Promise<void> {
    do await this.settle();
    while ((await this.resume({}, ({ code }) => code === 'PROCESS_KILLED')).length > 0);
  }

  /** As `misa resume`. @returns what was halted */
  async resume(options: { readonly skipRow?: boolean } = {}, which = (_: Halt): boolean => true): Promise<Halt[]> {
    const { store, job } = this;
    const file = await readJobFile(store, job.name);
    const jobNames = names(job.name, file.epoch);
    const resumed: Halt[] = [];
    for (const path of [PLANNER, ...stagePaths(file).flat()]) {
      const { halted } = (await loadManifest(store, jobNames.manifest(path))).manifest;
      if (halted === null || !which(halted)) continue;
      await resumeHalted({ store, names: jobNames, path, random: this.#random }, options);
      resumed.push(halted);
    }
    for (const { url, message } of this.#parked.splice(0)) this.queues.get(url)!.push(message);
    return resumed;
  }

  /** Requests that change the store, but for what maintain notes of its runs. */
  #changes(): number {
    const looks = (op: string, name: string): boolean => op === 'get' || op === 'list' || name.endsWith('/maintain');
    return this.store.calls.filter(({ op, name }) => !looks(op, name)).length;
  }

  /** Delivers one message or batch. @returns whether there was any */
  deliverOne(): Promise<boolean> {
    return this.#deliver();
  }

  /**
   * Invokes a function with these messages, whatever its queue holds.
   * @param until its time is up when this holds
   * @returns whether it lived and did not throw
   */
  async invoke(name: string, bodies: readonly string[], { until }: { until?: () => boolean } = {}): Promise<boolean> {
    const messages = bodies.map((body) => ({ id: `m${++this.#ids}`, body, tries: 1 }));
    return this.#invoke(name, messages, until);
  }

  /** Throws all environments away. */
  allCold(): void {
    this.#running.clear();
  }

  requests(op: 'get' | 'put'): number {
    return this.store.calls.filter((call) =>
      op === 'get' ? call.op === 'get' : ['create', 'compareAndSet', 'put'].includes(call.op),
    ).length;
  }

  #chance(p = 0): boolean {
    return p > 0 && this.#random.next() < p;
  }

  #count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  #push(url: string, message: OutgoingMessage): void {
    const queue = this.queues.get(url) ?? [];
    this.queues.set(url, queue);
    this.#count(`send ${url}`);
    queue.push({ ...message, id: `m${++this.#ids}`, tries: 0 });
  }

  async #deliver(): Promise<boolean> {
    const waiting = [...this.queues].filter(([, queue]) => queue.length > 0);
    if (waiting.length === 0) return false;
    const [url, queue] = waiting[Math.floor(this.#random.next() * waiting.length)]!;
    const batch = url === 'input' || url === 'fold' || url === 'compact' ? 1 + Math.floor(this.#random.next() * 5) : 1;
    const taken: Message[] = [];
    while (taken.length < batch && queue.length > 0) {
      const at = this.#chance(this.#faults.shuffle) ? Math.floor(this.#random.next() * queue.length) : 0;
      const [message] = queue.splice(at, 1);
      if (url !== 'input' && this.#chance(this.#faults.drop)) continue;
      if (message!.tries === 0 && this.#chance(this.#faults.double)) queue.push({ ...message! });
      message!.tries++;
      taken.push(message!);
    }
    if (taken.length > 0) await this.#invoke(url, taken);
    return true;
  }

  async #invoke(url: string, messages: readonly Message[], until?: () => boolean): Promise<boolean> {
    this.#count(`invoke ${url}`);
    if (url === 'plan' && this.#faults.noPreload) return false;
    if (this.#chance(this.#faults.cold)) this.#running.delete(url);
    const running = await this.#environment(url).catch((error: unknown) => {
      this.errors.push(error);
      return undefined;
    });
    if (running === undefined) {
      this.#putBack(url, messages);
      return false;
    }
    const invocation =
      until === undefined ? new Invocation(this.clock, Number.POSITIVE_INFINITY) : new Short(this.clock, until);
    const { life } = running;
    life.onDeath = () => invocation.end(new DeadlineError('killed'));
    if (this.#chance(this.#faults.kill)) {
      life.left = Math.floor(this.#random.next() * 12);
      life.afterEffect = this.#random.next() < 0.5;
    }
    let failed: ReadonlyMap<string, unknown>;
    let thrown: unknown;
    try {
      failed = await running.work(
        messages.map((message) => recordOf(message)),
        invocation,
      );
    } catch (error) {
      thrown = error;
      failed = new Map(messages.map((message) => [message.id, error]));
    }
    running.busy = false;
    if (!invocation.live) {
      const pool = this.#running.get(url) ?? [];
      this.#running.set(
        url,
        pool.filter((other) => other !== running),
      );
      failed = new Map(messages.map((message) => [message.id, 'killed']));
    } else {
      for (const error of failed.values()) this.errors.push(error);
      if (thrown !== undefined && messages.length === 0) this.errors.push(thrown);
    }
    const halted = (message: Message): boolean => failed.get(message.id) instanceof HaltedError;
    for (const message of messages.filter(halted)) this.#parked.push({ url, message });
    const again = messages.filter((message) => failed.has(message.id) && !halted(message));
    const flushing = (message: Message): boolean => failed.get(message.id) instanceof FlushUnderWayError;
    // As the queue does: what fails again and again is shown later, and the clock goes on meanwhile.
    const waits = (message: Message): boolean =>
      flushing(message) ||
      (failed.get(message.id) instanceof StoreError && message.tries > 1 && message.tries < MAX_TRIES);
    for (const message of again.filter(waits)) {
      this.#hidden.push({ url, message: flushing(message) ? { ...message, tries: 0 } : message });
    }
    this.#putBack(
      url,
      again.filter((message) => !waits(message)),
    );
    life.left = Number.POSITIVE_INFINITY;
    return invocation.live && thrown === undefined;
  }

  #putBack(url: string, messages: readonly Message[]): void {
    for (const message of messages) {
      if (message.tries < MAX_TRIES) this.queues.get(url)?.push(message);
      else this.dead.push(message);
    }
  }

  /** An environment that is free, and taken from now on. */
  async #environment(url: string): Promise<Running> {
    const pool = this.#running.get(url) ?? [];
    this.#running.set(url, pool);
    const idle = pool.find((running) => !running.busy);
    if (idle !== undefined) {
      idle.busy = true;
      return idle;
    }
    const life = new Life();
    const { busy, timeOut = 0 } = this.#faults;
    const store = hookedStore(this.store, {
      before: (call) => {
        const { op, name } = call;
        if (this.deadly(call)) life.left = 0;
        life.spend(false);
        if (this.#calm) return;
        if (this.#chance(busy)) throw new StoreError('STORE_BUSY', `slow down: ${op} ${name}`, { retryable: true });
        if (this.#chance(timeOut / 2)) throw new StoreTimeoutError(`no answer to ${op} ${name}, which had no effect`);
      },
      after: ({ op, name }) => {
        life.spend(true);
        if (!this.#calm && this.#chance(timeOut / 2))
          throw new StoreTimeoutError(`no answer to ${op} ${name}, which took effect`);
      },
    });
    const settings = simulatedSettings(this.places, this.overwritten);
    const report: Report = {
      info() {},
      warn() {},
      trouble: (what) => void this.troubles.push(what),
      error: (_, error) => void this.errors.push(error),
      metric: (name, value) => void this.metrics.set(name, (this.metrics.get(name) ?? 0) + value),
      span() {},
    };
    const env = await openEnvironment({
      job: this.job,
      settings,
      store,
      queue: (to) => this.#queue(to, life),
      clock: this.clock,
      random: seededRandom(Math.floor(this.#random.next() * 2 ** 31)),
      report,
      cache: undefined,
      retentionMs: 30 * 60_000,
      insideBytes: this.insideBytes,
    });
    const running: Running = { env, life, busy: true, work: simulatedWork(url, env, this.#inputObjects(url)) };
    pool.push(running);
    return running;
  }

  /** Listed by pages of a few. */
  #inputObjects(who: string): InputObjects {
    const { objects, etags } = this;
    const count = (what: string): void => this.#count(what);
    return {
      async *list(_, prefix, after = '') {
        const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && compareUtf8(key, after) > 0);
        keys.sort(compareUtf8);
        for (let at = 0; at === 0 || at < keys.length; at += 3) {
          count(`list ${who}`);
          await null;
          yield keys.slice(at, at + 3).map((key) => ({
            bucket: 'inputs',
            key,
            etag: etags.get(key) ?? 'v1',
            size: objects.get(key)!.size,
            modifiedMs: 0,
          }));
        }
      },
      open: ({ key }) => countedReads(objects.get(key)!, () => count(`read ${who}`)),
    };
  }

  #queue(url: string, life: Life): Queue {
    const nothing = async (): Promise<never> => {
      throw new Error('functions only send');
    };
    return {
      send: async (messages) => {
        life.spend(false);
        for (const message of messages) this.#push(url, message);
        life.spend(true);
      },
      changeVisibility: async () => {},
      receive: nothing,
      delete: nothing,
      depth: nothing,
    };
  }
}

/** Each of these is a request to S3. */
function countedReads(object: InputObject, count: () => void): InputObject {
  return {
    ...object,
    async open() {
      const reader = await object.open();
      return {
        blocks(...args) {
          count();
          return reader.blocks(...args);
        },
        read(...args) {
          count();
          return reader.read(...args);
        },
        close: () => reader.close(),
      };
    },
  };
}

function recordOf({ id, body, attributes = {}, tries }: Message): SQSRecord {
  return {
    messageId: id,
    receiptHandle: id,
    body,
    attributes: { ApproximateReceiveCount: String(tries) },
    messageAttributes: Object.fromEntries(
      Object.entries(attributes).map(([name, stringValue]) => [name, { stringValue, dataType: 'String' }]),
    ),
  } as unknown as SQSRecord;
}

/**
 * What a sequential run of these plans gives: published bytes and state.
 * @param rowsOf all rows of a piece's object, by its name
 */
export async function sequentialOutcome(
  plans: readonly Plan[],
  job: PhysicalJob,
  rowsOf: (name: string) => readonly unknown[],
): Promise<Awaited<ReturnType<typeof outcomeOf>>> {
  // Each plan is made at its time: operators see it.
  let now = 0;
  const sleeping = new FastClock();
  const clock: Clock = { now: () => now, monotonic: () => now, sleep: (ms, signal) => sleeping.sleep(ms, signal) };
  const store = new MemoryStore({ clock });
  const { engine, env } = await openEngine({ job, store, clock });
  for (const { kind, pieces, processingTime } of plans) {
    now = processingTime;
    if (kind !== 'data') {
      await engine.batch({ ...noRows(kind as 'empty' | 'flush'), pieces });
      continue;
    }
    const builder = new SegmentBuilder(job);
    for (const { source, name, from, to } of pieces) {
      builder.open({ source: job.sources.findIndex((s) => s.name === source), name });
      for (const [i, row] of rowsOf(name).slice(from, to).entries()) builder.add(row, from + i + 1);
    }
    await engine.batch(gatheredFrom(builder, pieces, false));
  }
  await env.committer.close({ drain: true });
  return outcomeOf(store, job);
}
