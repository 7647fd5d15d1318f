/**
 * The functions of a job as a cloud runs them, in simulated time and from one seed: by queues with visibility time-outs, in
 * environments that are frozen, thawed and killed, each invocation with a deadline, over objects that take their time. The
 * frame of the functions is the real one.
 */
import type { Context, SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda';
import { type FunctionEnvironment, openEnvironment } from '../../lib/aws/function-environment.ts';
import type { InputObjects } from '../../lib/aws/input-objects.ts';
import {
  asInvocation,
  invocationClock,
  invocationObjects,
  invocationQueue,
  invocationStore,
} from '../../lib/aws/invocation.ts';
import type { MetricName, Report } from '../../lib/aws/report.ts';
import type { Settings } from '../../lib/aws/settings.ts';
import { answerSqs } from '../../lib/aws/sqs-function.ts';
import { errorText, StoreError, StoreTimeoutError } from '../../lib/errors.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { numberOf } from '../../lib/object-store/names.ts';
import type { ObjectStore } from '../../lib/object-store/object-store.ts';
import { decodePlanObject, type Plan } from '../../lib/plan/plan.ts';
import type { Queue } from '../../lib/queue/queue.ts';
import type { InputObject } from '../../lib/source/index.ts';
import type { ListedInput } from '../../lib/source/s3-listing.ts';
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import { type Random, seededRandom } from '../../lib/util/random.ts';
import { compareUtf8 } from '../../lib/util/utf8-order.ts';
import { blockEnd } from './embedded-objects.ts';
import { SimulatedClock } from './simulated-clock.ts';
import { type SimulatedFunction, simulatedFunction, simulatedSettings } from './simulated-functions.ts';
import { type SimulatedMessage, SimulatedQueue } from './simulated-queue.ts';
import { Sandbox } from './simulated-sandbox.ts';
import { listAll } from './stores.ts';

/** Chances by kind of fault, 0 to 1. */
export interface CloudFaults {
  /** A message between functions is lost. */
  readonly drop?: number;
  /** A message of a standard queue comes once more though it is done. */
  readonly double?: number;
  /** A message of a standard queue comes out of turn. */
  readonly shuffle?: number;
  /** An invocation's environment is killed in the middle: out of memory. */
  readonly kill?: number;
  /** Environments that wait are thrown away before an invocation. */
  readonly cold?: number;
  /** A request to the store is refused for now. */
  readonly busy?: number;
  /** The answer to a request to the store takes minutes. */
  readonly hang?: number;
  /** A request to the store has no answer, as often with effect as without. */
  readonly timeOut?: number;
}

export interface CloudOptions {
  readonly job: PhysicalJob;
  readonly seed: number;
  readonly faults?: CloudFaults;
  /** Of functions that a user's time-out is for, ms. Default 60 s. */
  readonly timeoutMs?: number;
  /** Objects of a page of a listing. */
  readonly page?: number;
  /** Of `JobServices`. */
  readonly insideBytes?: number | undefined;
  /** Keeps what happened, line by line. */
  readonly traced?: boolean;
}

/** An object of the bucket `inputs`. */
export interface SlowObject {
  readonly bytes: Uint8Array;
  /** How long it takes to read all of it, ms. */
  readonly readMs: number;
}

/** A function, what feeds it, and its environments. */
interface Fn {
  readonly name: string;
  readonly timeoutMs: number;
  readonly queue: SimulatedQueue | undefined;
  readonly batchSize: number;
  readonly concurrency: number;
  running: number;
  /** The last invocation was to be. */
  killed: boolean;
  readonly idle: Environment[];
}

interface Environment {
  readonly sandbox: Sandbox;
  readonly queue: (url: string) => Queue;
  readonly report: Report;
  opened: Promise<SimulatedFunction> | undefined;
}

/** As the construct has them. */
const VISIBILITY_TIMEOUTS = 6;
const MAX_RECEIVES = 20;
const MAX_RECEIVES_OF_BATCHES = 100;
const BATCH_SIZE = 10;
const SHORT_TIMEOUT_MS = 60_000;
const COMPACT_TIMEOUT_MS = 300_000;
const PLANNERS = 2;
const RETENTION_MS = 30 * 60_000;
const MINUTE_MS = 60_000;
/** Two months. */
const LONGEST_MS = 60 * 24 * 60 * MINUTE_MS;
/** A killed one has so many answers left, at most. */
const LIVES = 60;

export class SimulatedCloud {
  readonly clock = new SimulatedClock();
  readonly store: MemoryStore;
  readonly job: PhysicalJob;
  readonly metrics = new Map<MetricName, number>();
  readonly errors: unknown[] = [];
  /** Sends by queue, invocations by function, and what became of them. */
  readonly counts = new Map<string, number>();
  /** Accepted plans, kept beyond their collection. */
  readonly plans: Plan[] = [];
  /** Names of the objects that are planned to their end. */
  readonly read = new Set<string>();
  readonly objects = new Map<string, SlowObject>();
  /** Continuations that went on in a later invocation. */
  thawed = 0;
  /** Requests that an invocation made after it had ended. */
  readonly strays: string[] = [];
  /** What happened, in order. */
  readonly trace: string[] = [];
  places: Settings['inputs'];
  readonly #options: CloudOptions;
  readonly #random: Random;
  readonly #functions = new Map<string, Fn>();
  #keys: readonly string[] | undefined;
  #environments = 0;
  /** Changes to the store but for maintain's notes and what is collected. */
  #changes = 0;
  #looks = 0;
  #quiet = 0;

  constructor(options: CloudOptions) {
    const { job, seed, timeoutMs = 60_000 } = options;
    this.#options = options;
    this.job = job;
    this.store = new MemoryStore({ clock: this.clock });
    this.#random = seededRandom(seed);
    this.places = job.sources.map(({ name }) => ({ bucket: 'inputs', prefix: `${name}/`, source: name }));
    const standard = { fifo: false, maxReceives: MAX_RECEIVES };
    const fifo = { fifo: true, maxReceives: MAX_RECEIVES };
    this.#add('input', { ...standard, timeoutMs, batchSize: BATCH_SIZE, concurrency: PLANNERS });
    this.#add('fold', { ...fifo, timeoutMs, batchSize: BATCH_SIZE });
    this.#add('compact', { ...fifo, timeoutMs: COMPACT_TIMEOUT_MS, batchSize: BATCH_SIZE });
    this.#add('plan', { ...standard, timeoutMs: SHORT_TIMEOUT_MS, batchSize: BATCH_SIZE });
    for (let stage = 0; stage < job.stages.length; stage++) {
      for (let p = 0; p < job.partitions; p++) {
        this.#add(`s${stage}/p${p}`, { fifo: true, maxReceives: MAX_RECEIVES_OF_BATCHES, timeoutMs, batchSize: 1 });
      }
    }
    const maintain = { timeoutMs: SHORT_TIMEOUT_MS, queue: undefined, batchSize: 1, concurrency: 1, running: 0 };
    this.#functions.set('maintain', { ...maintain, name: 'maintain', killed: false, idle: [] });
    this.#schedule();
  }

  /** A message to the input queue. */
  send(body: unknown): void {
    this.#sendTo('input', { body: typeof body === 'string' ? body : JSON.stringify(body) });
  }

  put(key: string, object: SlowObject): void {
    this.objects.set(key, object);
    this.#keys = undefined;
  }

  get dead(): SimulatedMessage[] {
    return [...this.#functions.values()].flatMap(({ queue }) => queue?.dead ?? []);
  }

  /** Of the functions that are running now, by name. */
  running(name: string): number {
    return this.#functions.get(name)!.running;
  }

  /**
   * Goes on until nothing is left to do: no message waits, none is worked on, and maintain finds nothing.
   * @param done whether all is read that is to be: what waits is looked for with growing pauses
   */
  async settle(done: () => boolean = () => true): Promise<void> {
    const endMs = this.clock.now() + LONGEST_MS;
    this.#quiet = 0;
    await this.clock.run(() => {
      if (this.clock.now() > endMs) throw new Error(`it does not come to rest: ${[...this.counts].join(' ')}`);
      return this.#quiet >= 3 && done();
    });
  }

  #add(
    name: string,
    options: {
      readonly fifo: boolean;
      readonly maxReceives: number;
      readonly timeoutMs: number;
      readonly batchSize: number;
      readonly concurrency?: number;
    },
  ): void {
    const { fifo, maxReceives, timeoutMs, batchSize, concurrency = 10 } = options;
    const visibilityMs = timeoutMs * VISIBILITY_TIMEOUTS;
    const queue = new SimulatedQueue({ fifo, maxReceives, visibilityMs }, this.clock, this.#random);
    const fn: Fn = { name, timeoutMs, queue, batchSize, concurrency, running: 0, killed: false, idle: [] };
    this.#functions.set(name, fn);
    queue.onVisible = () => this.#poll(fn);
  }

  #chance(p = 0): boolean {
    return p > 0 && this.#random.next() < p;
  }

  #count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  readonly #log = (line: string): void => {
    if (this.#options.traced) this.trace.push(`${this.clock.now().toFixed(3)} ${line}`);
  };

  #sendTo(name: string, message: Parameters<SimulatedQueue['send']>[0]): void {
    this.#count(`send ${name}`);
    this.#log(`sent ${name} ${message.body}`);
    if (name !== 'input' && this.#chance(this.#options.faults?.drop)) return;
    this.#functions.get(name)!.queue!.send(message);
  }

  /** As event source mappings do. */
  #poll(fn: Fn): void {
    while (fn.running < fn.concurrency) {
      const taken = fn.queue!.receive(fn.batchSize, this.#options.faults?.shuffle ?? 0);
      if (taken.length === 0) return;
      this.#log(`delivery to ${fn.name}: ${taken.map(({ receipt }) => receipt).join(' ')}`);
      const records = taken.map(recordOf);
      this.#invoke(fn, records, (failed) => {
        for (const { messageId, receiptHandle } of records) {
          if (failed?.has(messageId) === false) {
            fn.queue!.delete(receiptHandle, this.#chance(this.#options.faults?.double));
          }
        }
        this.#poll(fn);
      });
    }
  }

  #schedule(): void {
    this.clock.after(MINUTE_MS, () => {
      this.#schedule();
      const fn = this.#functions.get('maintain')!;
      if (fn.running > 0) return;
      const before = this.#changes;
      const looks = this.#looks;
      this.#invoke(fn, [], (failed) => {
        const idle = [...this.#functions.values()].every(({ queue, running }) => !running && !queue?.length);
        const looked = failed !== undefined && this.#looks > looks;
        this.#quiet = idle && looked && before === this.#changes ? this.#quiet + 1 : 0;
      });
    });
  }

  /** @param ended is given the messages that failed, `undefined` where there was no answer */
  #invoke(fn: Fn, records: SQSRecord[], ended: (failed: ReadonlySet<string> | undefined) => void): void {
    const { cold, kill } = this.#options.faults ?? {};
    fn.running++;
    this.#count(`invoke ${fn.name}`);
    if (this.#chance(cold)) fn.idle.length = 0;
    const environment = fn.idle.pop() ?? this.#environment(fn.name);
    const { sandbox } = environment;
    // Who is killed again and again at one batch halts it, and is right.
    const dies = this.#chance(kill) && !fn.killed;
    fn.killed = dies;
    sandbox.left = dies ? Math.floor(this.#random.next() * LIVES) : Number.POSITIVE_INFINITY;
    let open = true;
    const end = (failed: ReadonlySet<string> | undefined): void => {
      if (!open) return;
      open = false;
      unkill();
      fn.running--;
      sandbox.freeze();
      if (!sandbox.dead) fn.idle.push(environment);
      this.#log(`${sandbox.name} ended: ${failed === undefined ? 'no answer' : [...failed].join(' ')}`);
      if (failed === undefined) this.#count(`no answer of ${fn.name}`);
      ended(failed);
    };
    sandbox.onDeath = () => end(undefined);
    const startMs = this.clock.now();
    const unkill = this.clock.after(fn.timeoutMs, () => {
      this.#count(`time-out of ${fn.name}`);
      sandbox.kill();
    });
    const getRemainingTimeInMillis = (): number => Math.max(0, startMs + fn.timeoutMs - this.clock.now());
    const thawed = sandbox.thawed;
    const handle = () => this.#handle(fn, environment, { Records: records }, { getRemainingTimeInMillis });
    const answered = sandbox.invoke(handle);
    this.thawed += sandbox.thawed - thawed;
    answered.then(
      ({ batchItemFailures }) => {
        if (!sandbox.dead) end(new Set(batchItemFailures.map(({ itemIdentifier }) => itemIdentifier)));
      },
      (error: unknown) => {
        if (sandbox.dead) return;
        this.errors.push(error);
        end(undefined);
      },
    );
  }

  /** What a handler does. */
  async #handle(
    fn: Fn,
    environment: Environment,
    event: SQSEvent,
    context: Pick<Context, 'getRemainingTimeInMillis'>,
  ): Promise<SQSBatchResponse> {
    const { sandbox, queue, report } = environment;
    environment.opened ??= this.#open(fn.name, environment).catch((error) => {
      environment.opened = undefined;
      throw error;
    });
    const { work, ended } = await environment.opened;
    if (fn.queue !== undefined) {
      return answerSqs(event, context, { clock: sandbox, report, queue: queue(fn.name), work, ended });
    }
    const remainingMs = context.getRemainingTimeInMillis();
    await asInvocation(sandbox, { remainingMs, marginMs: 2000 }, (invocation) =>
      work([{ body: '{}' } as SQSRecord], invocation),
    );
    this.#looks++;
    return { batchItemFailures: [] };
  }

  #environment(name: string): Environment {
    const sandbox = new Sandbox(`${name}#${++this.#environments}`, this.clock, this.#random, this.strays);
    const report: Report = {
      info() {},
      warn() {},
      error: (what, error) => {
        this.#log(`${sandbox.name} tells ${what}: ${errorText(error)}`);
        this.errors.push(error);
      },
      metric: (metric, value) => void this.metrics.set(metric, (this.metrics.get(metric) ?? 0) + value),
      span() {},
    };
    return { sandbox, report, queue: (url) => invocationQueue(this.#queue(url, sandbox)), opened: undefined };
  }

  async #open(name: string, { sandbox, queue, report }: Environment): Promise<SimulatedFunction> {
    await sandbox.sleep(100 + this.#random.next() * 500);
    const env: FunctionEnvironment = await openEnvironment({
      job: this.job,
      settings: simulatedSettings(this.places, 'ignore'),
      store: invocationStore(this.#store(sandbox)),
      queue,
      clock: invocationClock(sandbox),
      random: seededRandom(Math.floor(this.#random.next() * 2 ** 31)),
      report,
      cache: undefined,
      retentionMs: RETENTION_MS,
      insideBytes: this.#options.insideBytes,
    });
    return simulatedFunction(name, env, this.#inputObjects(sandbox));
  }

  #queue(url: string, sandbox: Sandbox): Queue {
    const nothing = async (): Promise<never> => {
      throw new Error('functions only send');
    };
    const queue = this.#functions.get(url)!.queue!;
    return {
      send: (messages, options) =>
        sandbox.request(`send ${url}`, options?.signal, this.#log, async () => {
          for (const message of messages) this.#sendTo(url, message);
        }),
      changeVisibility: (receipt, seconds, options) =>
        sandbox.request(`show ${url} ${receipt} in ${seconds} s`, options?.signal, this.#log, async () =>
          queue.changeVisibility(receipt, seconds),
        ),
      receive: nothing,
      delete: nothing,
      depth: nothing,
    };
  }

  #store(sandbox: Sandbox): ObjectStore {
    const { store } = this;
    const { busy, hang, timeOut = 0 } = this.#options.faults ?? {};
    const ask = <T>(op: string, name: string, signal: AbortSignal | undefined, act: () => Promise<T>): Promise<T> => {
      const fault = this.#chance(busy)
        ? 'busy'
        : this.#chance(timeOut / 2)
          ? 'lost'
          : this.#chance(timeOut / 2)
            ? 'late'
            : '';
      const done = async (): Promise<T> => {
        if (fault === 'busy') throw new StoreError('STORE_BUSY', `slow down: ${op} ${name}`, { retryable: true });
        if (fault === 'lost') throw new StoreTimeoutError(`no answer to ${op} ${name}, which had no effect`);
        if (!['get', 'list', 'delete'].includes(op) && !name.endsWith('/maintain')) this.#changes++;
        const result = await act();
        if (fault === 'late') throw new StoreTimeoutError(`no answer to ${op} ${name}, which took effect`);
        return result;
      };
      return sandbox.request(`${op} ${name}`, signal, this.#log, done, this.#chance(hang));
    };
    return {
      get: (name, options) => ask('get', name, options?.signal, () => store.get(name, { range: options?.range })),
      create: (name, body, options) =>
        ask('create', name, options?.signal, async () => {
          const answer = await store.create(name, body);
          if (answer.ok && name.includes('/plan/') && numberOf(name) > this.plans.length) {
            const { plan } = decodePlanObject(body, name, numberOf(name))!.stored;
            this.plans.push(plan);
            for (const piece of plan.pieces) if (piece.done) this.read.add(piece.name);
          }
          return answer;
        }),
      compareAndSet: (name, body, expected, options) =>
        ask('set', name, options?.signal, () => store.compareAndSet(name, body, expected)),
      put: (name, body, options) => ask('put', name, options?.signal, () => store.put(name, body)),
      delete: (names, options) => ask('delete', names.join(' '), options?.signal, () => store.delete(names)),
      async *list(prefix, options) {
        yield* await ask('list', prefix, options?.signal, () => listAll(store, prefix, { after: options?.after }));
      },
    };
  }

  #inputObjects(sandbox: Sandbox): InputObjects {
    const { page = 1000 } = this.#options;
    const listed = (prefix: string, after: string): ListedInput[] => {
      this.#keys ??= [...this.objects.keys()].sort(compareUtf8);
      const from = firstAfter(this.#keys, after);
      const found: ListedInput[] = [];
      for (let i = from; i < this.#keys.length && found.length < page; i++) {
        const key = this.#keys[i]!;
        if (!key.startsWith(prefix)) continue;
        found.push({ bucket: 'inputs', key, etag: 'v1', size: this.objects.get(key)!.bytes.length, modifiedMs: 0 });
      }
      return found;
    };
    const ask = (prefix: string, after: string, signal: AbortSignal | undefined): Promise<ListedInput[]> => {
      this.#count('list');
      return sandbox.request(`list ${prefix} after ${after}`, signal, this.#log, async () => listed(prefix, after));
    };
    return invocationObjects({
      async *list(_, prefix, after = '', signal = undefined) {
        for (let from: string | undefined = after; from !== undefined; ) {
          const found: ListedInput[] = await ask(prefix, from, signal);
          yield found;
          from = found.length < page ? undefined : found.at(-1)!.key;
        }
      },
      open: ({ key }) => this.#slowly(key, sandbox),
    });
  }

  /** Time goes by before each block. */
  #slowly(key: string, sandbox: Sandbox): InputObject {
    const { bytes, readMs } = this.objects.get(key)!;
    const body = Buffer.from(bytes);
    const log = this.#log;
    return {
      path: `s3://inputs/${key}`,
      size: body.length,
      open: async () => ({
        async *blocks(offset, hash, signal) {
          for (let at = offset; at < body.length; at = blockEnd(at)) {
            const part = body.subarray(at, blockEnd(at));
            log(`${sandbox.name} reads ${key} at ${at}`);
            await sandbox.sleep((readMs * part.length) / body.length, signal);
            hash?.update(part);
            yield part;
          }
        },
        read: async (offset, length) => body.subarray(offset, offset + length),
        close: async () => {},
      }),
    };
  }
}

function firstAfter(keys: readonly string[], after: string): number {
  let [low, high] = [0, keys.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareUtf8(keys[middle]!, after) > 0) high = middle;
    else low = middle + 1;
  }
  return low;
}

function recordOf({ id, body, attributes = {}, receives, receipt, sentMs }: SimulatedMessage): SQSRecord {
  return {
    messageId: id,
    receiptHandle: receipt,
    body,
    attributes: { ApproximateReceiveCount: String(receives), SentTimestamp: String(Math.floor(sentMs)) },
    messageAttributes: Object.fromEntries(
      Object.entries(attributes).map(([name, stringValue]) => [name, { stringValue, dataType: 'String' }]),
    ),
  } as unknown as SQSRecord;
}
