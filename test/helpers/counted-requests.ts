/**
 * What a deployed job asks of AWS, counted on the simulated one: per micro-batch, all functions together, and per day when nothing comes.
 * Warm functions that nothing befalls.
 */
import { count, job, source, sum, tumbling } from '../../lib/index.ts';
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import { objectOf } from './embedded-objects.ts';
import { physical } from './engine.ts';
import { SimulatedAws } from './simulated-aws.ts';

/** Invocations and sends by what they are for; a batch function's of any partition are `batch`. */
type ByFunction = Readonly<Record<'ingest' | 'batch' | 'preload' | 'fold' | 'compact', number>>;

export interface Requests {
  readonly put: number;
  readonly get: number;
  readonly list: number;
  /** Messages sent to functions, without the input. */
  readonly sends: number;
  /** Sends, and for each invocation that a queue causes a receive and a delete. */
  readonly sqs: number;
  readonly invocations: number;
  readonly by: ByFunction;
}

export interface CountOptions {
  readonly partitions: number;
  /** Of a batch. */
  readonly rows: number;
  readonly keys: number;
  /** A message or an object a batch. */
  readonly input: 'messages' | 'objects';
  /** Batches that are counted; folds come every sixth, compactions every fourth fold. */
  readonly batches: number;
}

interface Row {
  readonly t: number;
  readonly k: string;
  readonly v: number;
  readonly more: string;
}

/** Batches until all functions are warm. */
const WARM = 24;
const FUNCTIONS = { input: 'ingest', plan: 'preload', fold: 'fold', compact: 'compact' } as const;

function windows(partitions: number): PhysicalJob {
  const sums = source<Row>('rows', { eventTime: (r) => r.t, delay: '10 s' })
    .keyBy((r) => r.k)
    .window(tumbling('10 s'))
    .aggregate({ n: count(), s: sum((r) => r.v) });
  return physical(job('windows', sums, { partitions }), { noDataBatches: false });
}

/** Of 167 bytes as JSON, with its line feed. */
function rowsOf(n: number, { rows, keys }: Pick<CountOptions, 'rows' | 'keys'>): Row[] {
  return Array.from({ length: rows }, (_, i) => {
    const at = n * rows + i;
    const row = {
      t: 1_700_000_000_000 + n * 1000,
      k: `k${String((at * 7919) % keys).padStart(5, '0')}`,
      v: at % 100,
      more: '',
    };
    return { ...row, more: String(at).padStart(166 - JSON.stringify(row).length, 'x') };
  });
}

function bring(aws: SimulatedAws, n: number, options: CountOptions): void {
  const rows = rowsOf(n, options);
  if (options.input === 'messages') {
    aws.send({ misa: 1, source: 'rows', id: `rows-${n}`, rows });
    return;
  }
  const key = `${String(n).padStart(6, '0')}.ndjson`;
  const bytes = Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  aws.objects.set(key, objectOf(`s3://inputs/${key}`, bytes));
  const s3 = { bucket: { name: 'inputs' }, object: { key, size: bytes.length, eTag: 'v1' } };
  aws.send({ Records: [{ eventSource: 'aws:s3', eventName: 'ObjectCreated:Put', s3 }] });
}

/** @throws {Error} something else happened than these batches */
export async function requestsABatch(options: CountOptions): Promise<Requests> {
  const { partitions, batches } = options;
  const aws = new SimulatedAws(windows(partitions), 1);
  const run = async (from: number, to: number): Promise<void> => {
    for (let n = from; n < to; n++) {
      bring(aws, n, options);
      while (await aws.deliverOne());
    }
  };
  await run(0, WARM);
  aws.store.reset();
  aws.counts.clear();
  await run(WARM, WARM + batches);
  if (aws.plans.length !== WARM + batches || aws.errors.length > 0) {
    throw new Error(`${aws.plans.length} plans, ${aws.errors.length} errors`);
  }
  return requestsOf(aws, batches);
}

export interface DailyRequests {
  readonly put: number;
  readonly get: number;
  readonly list: number;
}

/** Of `Maintain` alone, when nothing has come for hours. @param objects that lie in the one input place */
export async function requestsADay({
  partitions,
  objects,
}: {
  partitions: number;
  objects: number;
}): Promise<DailyRequests> {
  const aws = new SimulatedAws(windows(partitions), 1);
  const options = { partitions, rows: 20, keys: 7, input: 'objects', batches: objects } as const;
  for (let n = 0; n < objects; n++) bring(aws, n, options);
  await aws.settle();
  const pass = async (minutes: number): Promise<void> => {
    for (let minute = 0; minute < minutes; minute++) {
      aws.clock.advance(60_000);
      await aws.invoke('maintain', ['{}']);
      while (await aws.deliverOne());
    }
  };
  // Till what was left is collected.
  await pass(180);
  aws.store.reset();
  aws.counts.clear();
  await pass(1440);
  const others = [...aws.counts].filter(([what]) => /^(send|invoke) (?!maintain)/.test(what));
  if (others.length > 0 || aws.errors.length > 0) throw new Error(`not idle: ${others.join(' ')}`);
  return storeRequests(aws);
}

function storeRequests(aws: SimulatedAws): DailyRequests {
  const ofInput = (what: 'list' | 'read'): number =>
    [...aws.counts].reduce((sum, [name, n]) => sum + (name.startsWith(`${what} `) ? n : 0), 0);
  return {
    put: aws.requests('put'),
    get: aws.requests('get') + ofInput('read'),
    list: aws.store.count('list') + ofInput('list'),
  };
}

function requestsOf(aws: SimulatedAws, batches: number): Requests {
  const { put, get, list } = storeRequests(aws);
  const by = { ingest: 0, batch: 0, preload: 0, fold: 0, compact: 0 };
  let sends = 0;
  for (const [what, n] of aws.counts) {
    const [kind, name] = what.split(' ') as [string, string];
    if (kind === 'invoke') by[FUNCTIONS[name as keyof typeof FUNCTIONS] ?? 'batch'] += n;
    if (kind === 'send' && name !== 'input') sends += n;
  }
  const invocations = Object.values(by).reduce((sum, n) => sum + n, 0);
  const each = (n: number): number => n / batches;
  return {
    put: each(put),
    get: each(get),
    list: each(list),
    sends: each(sends),
    sqs: each(sends + 2 * invocations),
    invocations: each(invocations),
    by: {
      ingest: each(by.ingest),
      batch: each(by.batch),
      preload: each(by.preload),
      fold: each(by.fold),
      compact: each(by.compact),
    },
  };
}
