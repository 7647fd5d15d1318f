/**
 * job.json: what a store holds the state of. Made when a job first runs there, checked at every start: a job that would
 * read the state differently is refused before anything is written. One whose columns have changed in ways that the state can
 * follow changes the layout here, by one compare-and-set: that is all the change there is.
 */
import { CorruptionError, MisaError, StoreError, StoreTimeoutError } from '../errors.ts';
import { epochsPrefix, jobFileName } from '../object-store/names.ts';
import type { ObjectStore } from '../object-store/object-store.ts';
import { type ColumnChange, changeWords, fitLayout } from '../stream/compile/layout-change.ts';
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
  /** How often the layout was changed, and one. Left out: never. */
  readonly layoutVersion?: number | undefined;
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

export interface OpenedJobFile {
  readonly file: JobFile;
  /** What was changed in its layout just now. */
  readonly changes: readonly ColumnChange[];
}

/**
 * Makes job.json, or checks it and changes its layout where the job has other columns.
 * @param fixed the layout is not changed here: who deploys the job has done so, or the job is refused
 * @throws {MisaError} `JOB_CHANGED`: the job cannot go on from the state in the store
 */
export async function openJobFile(
  store: ObjectStore,
  job: PhysicalJob,
  random: Random,
  fixed = false,
): Promise<OpenedJobFile> {
  const name = jobFileName(job.name);
  const wanted = describe(job, random.id());
  let orphan: string | undefined;
  let tried: readonly ColumnChange[] = [];
  for (let tries = 0; tries < 5; tries++) {
    const answer = await store.get(name);
    if (answer.found) {
      const found = decodeEnvelope<JobFile>('job', VERSION, answer.body, name);
      const opened = follow(found, fitJob(found, job), fixed);
      if (opened.changes.length === 0) return { ...opened, changes: tried };
      tried = opened.changes;
      if (await wrote(store, name, opened.file, answer.etag)) return opened;
      continue;
    }
    // It is the first object of a job: without it there can be no others, but for those of a process that made it just now.
    if (orphan !== undefined) throw new CorruptionError(name, `it is missing, and there is ${orphan}`);
    orphan = await anyObject(store, job.name);
    if (orphan !== undefined) continue;
    if (await wrote(store, name, wanted, undefined)) return { file: wanted, changes: [] };
  }
  throw new StoreError('STORE_BUSY', `${name} cannot be created: the store keeps refusing`, { retryable: true });
}

/** @returns false: somebody else may have written it, or this one may have: the next try finds out */
async function wrote(store: ObjectStore, name: string, file: JobFile, etag: string | undefined): Promise<boolean> {
  try {
    return (await store.compareAndSet(name, encodeEnvelope('job', VERSION, file), etag)).ok;
  } catch (error) {
    if (!(error instanceof StoreTimeoutError)) throw error;
    return false;
  }
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

/** What a job makes of what is in the store. */
export interface JobFit {
  /** What the file becomes: the same, where no column changes. */
  readonly file: JobFile;
  readonly changes: readonly ColumnChange[];
  /** Why the job cannot go on; none: it can. */
  readonly refusals: readonly string[];
}

/** Whether and how a job can go on from what is in the store. Nothing is written. */
export function fitJob(found: JobFile, job: PhysicalJob): JobFit {
  const wanted = describe(job, found.id);
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
  const { columns, state } = job;
  const { layout, changes, refusals } = fitLayout(found.layout, { layout: wanted.layout, columns }, state);
  const outputs = found.outputs.map((output) => ({ kind: kinds.get(output.name), ...output }));
  const { layoutVersion = 1 } = found;
  const changed = changes.length === 0 ? {} : { layout, layoutVersion: layoutVersion + 1 };
  return { file: { ...found, outputs, ...changed }, changes, refusals: [...differences, ...refusals] };
}

function follow(found: JobFile, { file, changes, refusals }: JobFit, fixed: boolean): OpenedJobFile {
  const { name } = found;
  if (refusals.length > 0) {
    throw new MisaError(
      'JOB_CHANGED',
      `job ${name} does not fit its state in this store: ${refusals.join('; ')}. Put the job back as it was, or start over with a new --store or another job name.`,
    );
  }
  if (fixed && changes.length > 0) {
    throw new MisaError(
      'JOB_CHANGED',
      `job ${name} has other columns than its state in this store: ${changes.map(changeWords).join('; ')}. A deployment of the job changes the state, and no function beside it: wait for the one under way, or deploy again.`,
    );
  }
  return { file, changes };
}

function show(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
