/** Every object name is formed and parsed here, and nowhere else. */

/** Numbers in names are 12 digits wide, so that names sort as their numbers do. */
const WIDTH = 12;
const pad = (n: number): string => String(n).padStart(WIDTH, '0');

/** Where a partition's objects are: `planner`, or `s{stage}/p{partition}`. */
export type PartitionPath = string;

export const PLANNER: PartitionPath = 'planner';

export function partitionPath(stage: number, partition: number): PartitionPath {
  return `s${stage}/p${partition}`;
}

/** A partition of a stage. */
export interface PartitionPlace {
  readonly stage: number;
  readonly partition: number;
}

/** Stage and partition of a path; `undefined` for the planner's. @throws {RangeError} it is no path */
export function placeOf(path: PartitionPath): PartitionPlace | undefined {
  if (path === PLANNER) return undefined;
  const match = /^s(\d{1,6})\/p(\d{1,6})$/.exec(path);
  if (match === null) throw new RangeError(`no partition path: ${path}`);
  return { stage: Number(match[1]), partition: Number(match[2]) };
}

/** The names of one job, in one epoch. */
export interface Names {
  readonly job: string;
  readonly epoch: number;
  jobFile(): string;
  /** Everything of this epoch starts with this. */
  epochPrefix(): string;
  segment(n: number, hash: string): string;
  segmentPrefix(): string;
  /** Log entry n of a partition; the planner's log is the plans. */
  log(path: PartitionPath, n: number): string;
  logPrefix(path: PartitionPath): string;
  sst(path: PartitionPath, id: string): string;
  sstPrefix(path: PartitionPath): string;
  manifest(path: PartitionPath): string;
  /** SSTs that wait to be deleted; advisory. */
  unnamed(path: PartitionPath): string;
  /** Tries of a batch that was tried before; advisory. */
  starts(path: PartitionPath): string;
  warm(path: PartitionPath, n: number, version: number): string;
  warmPrefix(path: PartitionPath): string;
  out(output: string, partition: number, n: number): string;
  outPrefix(output: string, partition: number): string;
  /** How far results are deleted. */
  deletedResults(): string;
  /** What the sink function has taken, a note an invocation. */
  taken(id: string): string;
  takenPrefix(): string;
  /** The same put together, by output and partition. */
  delivered(): string;
  /** What `maintain` remembers; advisory. */
  maintain(): string;
  /** How far a consumer has taken the results. */
  consumer(name: string): string;
  consumerPrefix(): string;
  /** Advisory traces of runs, for the timeline. */
  trace(id: string): string;
  tracePrefix(): string;
}

export function jobFileName(job: string): string {
  return `${job}/job.json`;
}

/** All objects of a job but {@link jobFileName} start with this. */
export function epochsPrefix(job: string): string {
  return `${job}/e`;
}

export function names(job: string, epoch: number): Names {
  const root = `${job}/e${epoch}`;
  const logPrefix = (path: PartitionPath): string => (path === PLANNER ? `${root}/plan/` : `${root}/${path}/log/`);
  return {
    job,
    epoch,
    jobFile: () => jobFileName(job),
    epochPrefix: () => `${root}/`,
    segment: (n, hash) => `${root}/seg/${pad(n)}-${hash}`,
    segmentPrefix: () => `${root}/seg/`,
    log: (path, n) => logPrefix(path) + pad(n),
    logPrefix,
    sst: (path, id) => `${root}/${path}/sst/${id}`,
    sstPrefix: (path) => `${root}/${path}/sst/`,
    manifest: (path) => `${root}/${path}/manifest`,
    unnamed: (path) => `${root}/${path}/unnamed`,
    starts: (path) => `${root}/${path}/starts`,
    warm: (path, n, version) => `${root}/${path}/warm/${pad(n)}-${version}`,
    warmPrefix: (path) => `${root}/${path}/warm/`,
    out: (output, partition, n) => `${root}/out/${output}/p${partition}/${pad(n)}`,
    outPrefix: (output, partition) => `${root}/out/${output}/p${partition}/`,
    deletedResults: () => `${root}/deleted-results`,
    taken: (id) => `${root}/taken/${id}`,
    takenPrefix: () => `${root}/taken/`,
    delivered: () => `${root}/delivered`,
    maintain: () => `${root}/maintain`,
    consumer: (name) => `${root}/consumer/${name}`,
    consumerPrefix: () => `${root}/consumer/`,
    trace: (id) => `${root}/trace/${id}`,
    tracePrefix: () => `${root}/trace/`,
  };
}

/** The number that a name of a log entry, plan, output or segment ends with (a segment's hash aside). */
export function numberOf(name: string): number {
  const match = /\/(\d{12})(?:-[0-9a-z]+)?$/.exec(name);
  if (match === null) throw new RangeError(`no numbered object name: ${name}`);
  return Number(match[1]);
}

/** What a job or output may be called: it becomes part of object names. */
export function isName(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(text);
}
