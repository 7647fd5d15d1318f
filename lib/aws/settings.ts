/** What a function is told by its environment variables, set by the stack (`cdk/`). */
import { MisaError } from '../errors.ts';
import { parseStoreUrl, type StoreSpec } from '../object-store/store-spec.ts';

/** Objects under a prefix of a bucket are input of a source. */
export interface InputPlace {
  readonly bucket: string;
  /** Ends with `/`, or is empty. */
  readonly prefix: string;
  readonly source: string;
}

export interface Settings {
  readonly store: StoreSpec;
  readonly inputs: readonly InputPlace[];
  /** What to do with an object that was overwritten after it was read: leave it, or read all of it as new rows. */
  readonly overwritten: 'ignore' | 'read';
  readonly inputQueue: string;
  /** Overrides the number of partitions of the job. */
  readonly partitions: number | undefined;
  /** URL of the queue of one partition of one stage. */
  readonly batchQueue: (stage: number, partition: number) => string;
  readonly foldQueue: string;
  readonly compactQueue: string;
  readonly planQueue: string;
  /** Where sinks are told of results, and the outputs that have sinks; left out: there are none. */
  readonly resultsQueue?: string | undefined;
  readonly sinkOutputs?: readonly string[] | undefined;
  /** Of the block cache in `/tmp`; 0: none. */
  readonly cacheBytes: number;
  /** Whether spans are kept for `misa timeline`. */
  readonly trace: boolean;
}

const DEFAULT_CACHE_BYTES = 256 << 20;

type Variables = Readonly<Record<string, string | undefined>>;

/** @throws {MisaError} `BAD_SETTINGS`: the function was not deployed by the stack */
export function readSettings(env: Variables): Settings {
  const base = required(env, 'MISA_BATCH_QUEUES');
  return {
    store: parseStoreUrl(required(env, 'MISA_STORE'), env.AWS_ENDPOINT_URL_S3 ?? env.AWS_ENDPOINT_URL),
    inputs: JSON.parse(env.MISA_INPUTS ?? '[]') as InputPlace[],
    overwritten: env.MISA_OVERWRITTEN === 'read' ? 'read' : 'ignore',
    inputQueue: required(env, 'MISA_INPUT_QUEUE'),
    partitions: env.MISA_PARTITIONS === undefined ? undefined : number(env, 'MISA_PARTITIONS'),
    batchQueue: (stage, partition) => `${base}s${stage}p${partition}.fifo`,
    foldQueue: required(env, 'MISA_FOLD_QUEUE'),
    compactQueue: required(env, 'MISA_COMPACT_QUEUE'),
    planQueue: required(env, 'MISA_PLAN_QUEUE'),
    resultsQueue: env.MISA_RESULTS_QUEUE,
    sinkOutputs: env.MISA_SINK_OUTPUTS?.split(','),
    cacheBytes: env.MISA_CACHE_BYTES === undefined ? DEFAULT_CACHE_BYTES : number(env, 'MISA_CACHE_BYTES'),
    trace: env.MISA_TRACE === '1',
  };
}

/** The partition that a batch function is for. @throws {MisaError} `BAD_SETTINGS` */
export function readPlace(env: Variables): { readonly stage: number; readonly partition: number } {
  return { stage: number(env, 'MISA_STAGE'), partition: number(env, 'MISA_PARTITION') };
}

function required(env: Variables, name: string): string {
  const value = env[name];
  if (value === undefined || value === '') {
    throw new MisaError('BAD_SETTINGS', `the environment variable ${name} is not set. Deploy the function by MisaJob`);
  }
  return value;
}

function number(env: Variables, name: string): number {
  const value = Number(required(env, name));
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new MisaError('BAD_SETTINGS', `the environment variable ${name} is '${env[name]}': it must be a whole number`);
}
