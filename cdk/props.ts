/** What a stack may say about a job that it deploys. Everything but `entry` has a default that suits most jobs. */

import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { Architecture } from 'aws-cdk-lib/aws-lambda';
import type { RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { Duration, RemovalPolicy, Size } from 'aws-cdk-lib/core';
import type { Sink } from './sinks.ts';

/** Objects of a bucket as input of a source. */
export interface InputObjects {
  readonly bucket: IBucket;
  /** Only objects whose key starts with this. Default: all of the bucket. */
  readonly prefix?: string;
}

/** When alarms go off. */
export interface AlarmOptions {
  /** Alarm when commits are this many batches behind for five minutes. Default: the job's `commit.maxLag`. */
  readonly commitLag?: number;
  /** Alarm when input waits this long to be planned. Default 15 minutes. */
  readonly inputAge?: Duration;
  /**
   * Alarm when this share of the rows of a quarter of an hour is late, of 100 rows at least; above 0, and 1 at most. Default
   * 0.1: one row in ten. `false`: no such alarm.
   */
  readonly lateShare?: number | false;
}

/** Props of {@link MisaJob}; only `entry` is needed. */
export interface MisaJobProps {
  /** The job's module, TypeScript or JavaScript, whose default export is made by `job()`. Relative to the working directory. */
  readonly entry: string;
  /**
   * Bucket for state, results and, under `in/{job}/{source}/`, input. It must not be versioned: every commit replaces a
   * manifest. Default: one of its own, encrypted, private, kept when the stack is deleted.
   */
  readonly bucket?: IBucket;
  /** Shares of the key space, each with a queue and a function. Fixed once the job has state. Default: the job's own. */
  readonly partitions?: number;
  /** Of batch, ingest and commit functions, MiB; CPU comes in proportion. Default 1769: one full processor. */
  readonly memorySize?: number;
  /** Default true. */
  readonly alarms?: boolean | AlarmOptions;
  /** Told when an alarm goes off, and when it is over. */
  readonly alarmTopic?: ITopic;
  /** Default true. */
  readonly dashboard?: boolean;
  /** Further objects to read, by source, beside `in/{job}/{source}/` of the job's bucket. */
  readonly inputs?: Readonly<Record<string, InputObjects | readonly InputObjects[]>>;
  /**
   * What to do with an object that is overwritten after its rows were planned. Its name is what it is known by, so default
   * is `ignore`: a warning and the metric `Overwritten`. `read`: all of it is read as new rows.
   */
  readonly overwritten?: 'ignore' | 'read';
  /** Where results go beside the bucket, by output. */
  readonly sinks?: Readonly<Record<string, Sink | readonly Sink[]>>;
  /** Functions record spans for `misa timeline`, and X-Ray traces all invocations it samples. Default false: X-Ray alone. */
  readonly trace?: boolean;
  /** Default: this machine's, so that the native packages that are installed here are the right ones. */
  readonly architecture?: Architecture;
  /** For one batch, one ingest, one fold. A batch that cannot end in time goes on in the next invocation. Default 1 minute. */
  readonly timeout?: Duration;
  /** State blocks kept on the disk of a batch function. Default 256 MiB. */
  readonly cacheSize?: Size;
  /** Default one month. */
  readonly logRetention?: RetentionDays;
  /** `DESTROY` deletes the state with the stack. A given bucket is never touched. Default `RETAIN`. */
  readonly removalPolicy?: RemovalPolicy;
  /** How often lost messages are looked for and garbage is collected, 1 minute at least. Default 1 minute. */
  readonly sweepEvery?: Duration;
  /** For queues and for a bucket of its own. Default: keys that SQS and S3 manage. */
  readonly encryptionKey?: IKey;
  /** Source maps in the bundle and readable stack traces; functions start slower. Default false. */
  readonly sourceMaps?: boolean;
}
