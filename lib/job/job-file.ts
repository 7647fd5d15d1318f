/**
 * job.json: what a store holds the state of. Made when a job first runs there, checked at every start: a job that would
 * read the state differently is refused before anything is written.
 */
import { CorruptionError, MisaError, StoreError, StoreTimeoutError } from '../errors.ts';
import { epochsPrefix, jobFileName } from '../object-store/names.ts';
import type { ObjectStore } from '../object-store/object-store.ts';
import { layoutDifferences } from '../stream/compile/layout-words.ts';
import type { OutputSpec, PhysicalJob } from '../stream/compile/physical.ts';
import { decodeEnvelope, encodeEnvelope } from '../util/envelope.ts';
import type { Random } from '../util/random.ts';

const VERSION = 1;

export interface JobFile {
  readonly name: string;
  /** Random: tells this job's results from those of another store. */
  readonly id: string;
  readonly epoch: number;
  readonly partitions: number;
  /** Number of stages. */
  readonly stages: number;
  readonly outputMode: PhysicalJob['mode'];
  /** Fixed for an epoch. */
  readonly commit: 'async' | 'sync';
  /** The outputs, without the quarantine. `kind` is missing from files made before 0.2. */
  readonly outputs: readonly {
    readonly name: string;
    readonly stage: number;
    readonly kind?: OutputSpec['kind'] | undefined;
  }[];
  /** What the stored state means; see {@link PhysicalJob.layout}. */
  readonly layout: readonly string[];
  /** Types of keys seen so far, by operator (`s0/o1`): see `key-types.ts`. Left out: none yet. */
  readonly keyTypes?: Readonly<Record<string, readonly string[]>> | undefined;
}

/** @throws {MisaError} `NO_JOB`: nothing of this job is in the store */
export async function readJobFile(store: ObjectStore, job: string): Promise<JobFile> {
  const name = jobFileName(job);
  const answer = await store.get(name);
  if (!answer.found) {
    throw new MisaError(
      'NO_JOB',
      `there is no job ${job} in this store. Run it first, or name the store with --store.`,
    );
  }
  return decodeEnvelope<JobFile>('job', VERSION, answer.body, name);
}

/**
 * Makes or checks job.json.
 * @throws {MisaError} `JOB_CHANGED`: the state in the store is of another layout
 */
export async function openJobFile(store: ObjectStore, job: PhysicalJob, random: Random): Promise<JobFile> {
  const name = jobFileName(job.name);
  const wanted = describe(job, random.id());
  let orphan: string | undefined;
  for (let tries = 0; tries < 5; tries++) {
    const answer = await store.get(name);
    if (answer.found) return check(decodeEnvelope<JobFile>('job', VERSION, answer.body, name), wanted);
    // It is the first object of a job: without it there can be no others, but for those of a process that made it just now.
    if (orphan !== undefined) throw new CorruptionError(name, `it is missing, and there is ${orphan}`);
    orphan = await anyObject(store, job.name);
    if (orphan !== undefined) continue;
    try {
      const written = await store.compareAndSet(name, encodeEnvelope('job', VERSION, wanted), undefined);
      if (written.ok) return wanted;
    } catch (error) {
      // It may have been written, or not: the next try finds out.
      if (!(error instanceof StoreTimeoutError)) throw error;
    }
  }
  throw new StoreError('STORE_BUSY', `${name} cannot be created: the store keeps refusing`, { retryable: true });
}

/**
 * Adds types of keys to job.json, whoever else adds some.
 * @param types by operator
 */
export async function addKeyTypes(
  store: ObjectStore,
  job: string,
  types: Readonly<Record<string, readonly string[]>>,
): Promise<void> {
  const name = jobFileName(job);
  for (let tries = 0; tries < 5; tries++) {
    const answer = await store.get(name);
    // The job's state was deleted meanwhile.
    if (!answer.found) return;
    const file = decodeEnvelope<JobFile>('job', VERSION, answer.body, name);
    const keyTypes: Record<string, readonly string[]> = { ...file.keyTypes };
    for (const [place, more] of Object.entries(types)) {
      keyTypes[place] = [...new Set([...(keyTypes[place] ?? []), ...more])];
    }
    const bytes = encodeEnvelope('job', VERSION, { ...file, keyTypes });
    if ((await store.compareAndSet(name, bytes, answer.etag)).ok) return;
  }
  throw new StoreError('STORE_BUSY', `${name} cannot be written: the store keeps refusing`, { retryable: true });
}

async function anyObject(store: ObjectStore, job: string): Promise<string | undefined> {
  for await (const { name } of store.list(epochsPrefix(job))) return name;
  return undefined;
}

function describe(job: PhysicalJob, id: string): JobFile {
  return {
    name: job.name,
    id,
    epoch: 1,
    partitions: job.partitions,
    stages: job.stages.length,
    outputMode: job.mode,
    commit: job.commit.mode,
    outputs: job.outputs.map(({ name, stage, kind }) => ({ name, stage, kind })),
    layout: [...job.sources.map((source) => `source ${source.name}`).sort(), ...job.layout],
  };
}

function check(found: JobFile, wanted: JobFile): JobFile {
  const differences: string[] = [];
  const compare = (what: string, a: unknown, b: unknown): void => {
    if (JSON.stringify(a) !== JSON.stringify(b))
      differences.push(`${what}: ${show(a)} in the store, ${show(b)} in the job`);
  };
  compare('name', found.name, wanted.name);
  compare('partitions', found.partitions, wanted.partitions);
  compare('output mode', found.outputMode, wanted.outputMode);
  compare('commit mode', found.commit, wanted.commit);
  compare('outputs', found.outputs.map((o) => o.name).sort(), wanted.outputs.map((o) => o.name).sort());
  const kinds = new Map(wanted.outputs.map(({ name, kind }) => [name, kind]));
  for (const { name, kind } of found.outputs) {
    if (kind !== undefined && kinds.has(name)) compare(`kind of output ${name}`, kind, kinds.get(name));
  }
  const layout = layoutDifferences(found.layout, wanted.layout);
  if (differences.length === 0 && layout.length === 0) {
    return { ...found, outputs: found.outputs.map((output) => ({ kind: kinds.get(output.name), ...output })) };
  }
  throw new MisaError(
    'JOB_CHANGED',
    `job ${wanted.name} does not fit its state in this store: ${[...differences, ...layout].join('; ')}. Put the job back as it was, or start over with a new --store or another job name.`,
  );
}

function show(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
