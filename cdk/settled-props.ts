/** The props of a job with their defaults, checked against what the job's module says. */
import path from 'node:path';
import type { Architecture } from 'aws-cdk-lib/aws-lambda';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Duration, RemovalPolicy, Size } from 'aws-cdk-lib/core';
import { MARGIN_MS, RESERVE_MS } from '../lib/aws/reserves.ts';
import { JobError } from '../lib/errors.ts';
import { hostArchitecture } from './code.ts';
import { describeJob, type JobDescription } from './describe-job.ts';
import { type NamedInput, namedInputs } from './inputs.ts';
import type { AlarmOptions, MisaJobProps } from './props.ts';
import { type NamedSink, namedSinks } from './sink-settings.ts';

export interface SettledProps {
  readonly job: JobDescription;
  readonly entry: string;
  readonly inputs: readonly NamedInput[];
  readonly sinks: readonly NamedSink[];
  readonly architecture: Architecture;
  readonly removalPolicy: RemovalPolicy;
  readonly logRetention: RetentionDays;
  readonly timeout: Duration;
  /** How long a mapping collects input for one invocation. */
  readonly window: Duration;
  readonly sweepEvery: Duration;
  readonly memorySize: number;
  readonly cacheSize: Size;
  /** Of /tmp in batch functions. */
  readonly disk: Size;
  readonly alarms: AlarmOptions | undefined;
  readonly trace: boolean;
  readonly sourceMaps: boolean;
}

/** Of AWS. */
const MAX_WINDOW_S = 300;
const MAX_TIMEOUT_MINUTES = 15;
/** What `ingest` keeps back of an invocation, and two seconds to do something in: with less, each message would come back until it is dead. */
const MIN_TIMEOUT_S = Math.ceil((RESERVE_MS + MARGIN_MS) / 1000) + 2;
const MIN_MEMORY_MIB = 128;
const MAX_MEMORY_MIB = 10_240;
const FREE_DISK_MIB = 512;
const MAX_DISK_MIB = 10_240;
/** One full processor. */
const MEMORY_MIB = 1769;
const CACHE_MIB = 256;
/** The cache's file holds freed pages too. */
const DISK_FOR_CACHE = 1.5;

/** @throws {JobError} of {@link describeJob}; `BAD_INPUTS`, `BAD_SINKS`, `BAD_PROPS` */
export function settleProps(props: MisaJobProps): SettledProps {
  const entry = path.resolve(props.entry);
  const job = describeJob(entry, props.partitions);
  const timeout = props.timeout ?? Duration.minutes(1);
  const timeoutS = timeout.toSeconds({ integral: false });
  if (timeoutS > MAX_TIMEOUT_MINUTES * 60) throw bad(`timeout may be ${MAX_TIMEOUT_MINUTES} minutes at most`);
  if (timeoutS < MIN_TIMEOUT_S) {
    throw bad(
      `timeout must be ${MIN_TIMEOUT_S} seconds at least, and is ${timeoutS}: a function begins nothing in the last ${(RESERVE_MS + MARGIN_MS) / 1000} of them, so that it ends in good order, and with less all messages would end in the dead-letter queues`,
    );
  }
  if (!Number.isInteger(timeoutS)) throw bad(`timeout must be whole seconds, and is ${timeoutS}`);
  const memorySize = props.memorySize ?? MEMORY_MIB;
  if (!Number.isInteger(memorySize) || memorySize < MIN_MEMORY_MIB || memorySize > MAX_MEMORY_MIB) {
    throw bad(`memorySize must be whole MiB, ${MIN_MEMORY_MIB} to ${MAX_MEMORY_MIB}, and is ${memorySize}`);
  }
  const sweepEvery = props.sweepEvery ?? Duration.minutes(1);
  if (!Number.isInteger(sweepEvery.toMinutes({ integral: false })) || sweepEvery.toMinutes() < 1) {
    throw bad('sweepEvery must be whole minutes, 1 at least');
  }
  const cacheSize = props.cacheSize ?? Size.mebibytes(CACHE_MIB);
  const diskMib = Math.max(FREE_DISK_MIB, Math.ceil(cacheSize.toMebibytes() * DISK_FOR_CACHE));
  if (diskMib > MAX_DISK_MIB) {
    throw bad(
      `cacheSize may be ${Math.floor(MAX_DISK_MIB / DISK_FOR_CACHE)} MiB at most: a function has ${MAX_DISK_MIB} MiB of disk`,
    );
  }
  const alarms = props.alarms === false ? undefined : props.alarms === true ? {} : (props.alarms ?? {});
  const lateShare = alarms?.lateShare ?? 1;
  if (lateShare !== false && !(lateShare > 0 && lateShare <= 1)) {
    throw bad(`alarms.lateShare is a share of the rows, above 0 and 1 at most, and is ${lateShare}: 0.1 is one in ten`);
  }
  return {
    job,
    entry,
    inputs: namedInputs(job, props),
    sinks: namedSinks(job, props.sinks),
    architecture: props.architecture ?? hostArchitecture(),
    removalPolicy: props.removalPolicy ?? RemovalPolicy.RETAIN,
    logRetention: props.logRetention ?? RetentionDays.ONE_MONTH,
    timeout,
    window: Duration.seconds(Math.min(MAX_WINDOW_S, Math.ceil(job.trigger.maxWaitMs / 1000))),
    sweepEvery,
    memorySize,
    cacheSize,
    disk: Size.mebibytes(diskMib),
    alarms,
    trace: props.trace ?? false,
    sourceMaps: props.sourceMaps ?? false,
  };
}

function bad(message: string): JobError {
  return new JobError('BAD_PROPS', `MisaJob: ${message}`);
}
