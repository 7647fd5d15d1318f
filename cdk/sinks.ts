/**
 * Where results go beside the bucket: `sinks: { hourly: Sink.dynamoDb(table) }`. A sink grants the function that delivers
 * what it needs for its place, and no more, and gives the settings that the function reads (`lib/sinks/settings.ts`).
 */
import type { ITable } from 'aws-cdk-lib/aws-dynamodb';
import type { IEventBus } from 'aws-cdk-lib/aws-events';
import { Grant } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Token } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import type { ColumnKind } from '../lib/sinks/parquet-columns.ts';
import { readSinkSettings, type SinkSettings } from '../lib/sinks/settings.ts';
import { SinkError } from '../lib/sinks/sink.ts';
import { STORE_PREFIX } from './store-prefix.ts';

/** The job whose results they are. */
export interface SinkHome {
  readonly job: string;
  /** With the job's state. */
  readonly bucket: IBucket;
}

/** Where rows of an output go, beside the bucket. */
export interface Sink {
  /** @returns the settings of the sink, but for its output @throws {SinkError} `BAD_SINKS` */
  bind(scope: Construct, fn: IFunction, home: SinkHome): Record<string, unknown>;
}

/** Options of `Sink.sqs`. */
export interface SqsSinkOptions {
  /** What is one message group, of a FIFO queue. Default: a partition. */
  readonly groupBy?: 'partition' | 'key';
}

/** Options of `Sink.eventBridge`. */
export interface EventBridgeSinkOptions {
  /** `source` of the events. Default `misa.{job}`. */
  readonly source?: string;
  /** `detail-type` of the events. Default: the name of the output. */
  readonly detailType?: string;
}

/** Options of `Sink.dynamoDb`. */
export interface DynamoDbSinkOptions {
  /** Column that the table's partition key is made of. Default `key`. */
  readonly partitionKey?: string;
  /** Column that the table's sort key is made of, if it has one. Default `windowStart`. */
  readonly sortKey?: string;
}

/** Options of `Sink.ndjson`. */
export interface FileSinkOptions {
  /** Default: the job's own. */
  readonly bucket?: IBucket;
  /** Empty, or ending with `/`. Default `results/{job}/`. */
  readonly prefix?: string;
}

/** Options of `Sink.parquet`. */
export interface ParquetSinkOptions extends FileSinkOptions {
  /** Kinds of columns that are not to be inferred, by name; these are in every file. */
  readonly columns?: Readonly<Record<string, ColumnKind>>;
}

/** Makes sinks; `docs/sinks.md` compares them. */
export const Sink = {
  /** A message a row, at least once, with a stable id in the attribute `misa-id`. */
  sqs(queue: IQueue, options: SqsSinkOptions = {}): Sink {
    return {
      bind(_scope, fn) {
        queue.grant(fn, 'sqs:SendMessage');
        useKey(queue.encryptionMasterKey, fn);
        return settings('sqs', { queueUrl: queue.queueUrl, ...options });
      },
    };
  },

  /** An event a row, at least once, with a stable id in `detail.id`. */
  eventBridge(bus: IEventBus, options: EventBridgeSinkOptions = {}): Sink {
    return {
      bind(_scope, fn) {
        bus.grantPutEventsTo(fn);
        return settings('eventbridge', { bus: bus.eventBusArn, ...options });
      },
    };
  },

  /** An item a key: the newest row, whatever order deliveries come in. */
  dynamoDb(table: ITable, options: DynamoDbSinkOptions = {}): Sink {
    return {
      bind(_scope, fn) {
        table.grant(fn, 'dynamodb:PutItem', 'dynamodb:DescribeTable');
        useKey(table.encryptionKey, fn);
        return settings('dynamodb', { table: table.tableName, ...options });
      },
    };
  },

  /** A Parquet file a batch that has rows. */
  parquet(options: ParquetSinkOptions = {}): Sink {
    return { bind: (_scope, fn, home) => settings('parquet', fileSettings(fn, home, options)) };
  },

  /** A copy of each result object that has rows. */
  ndjson(options: FileSinkOptions = {}): Sink {
    return { bind: (_scope, fn, home) => settings('ndjson', fileSettings(fn, home, options)) };
  },
} as const;

function fileSettings<O extends FileSinkOptions>(fn: IFunction, home: SinkHome, options: O): Record<string, unknown> {
  const { bucket = home.bucket, prefix = `results/${home.job}/`, ...rest } = options;
  const own = [`${STORE_PREFIX}/`, `in/${home.job}/`];
  if (bucket === home.bucket && own.some((taken) => prefix.startsWith(taken))) {
    const what = `results under ${prefix} of the job's own bucket would be taken for state or input`;
    throw new SinkError('BAD_SINKS', `${what}: name another prefix, or another bucket`);
  }
  // The bucket's own grants allow more than to put.
  Grant.addToPrincipalOrResource({
    grantee: fn,
    actions: ['s3:PutObject'],
    resourceArns: [bucket.arnForObjects(`${prefix}*`)],
    resource: bucket,
  });
  useKey(bucket.encryptionKey, fn);
  return { bucket: bucket.bucketName, prefix, ...rest };
}

/** Services that encrypt with a customer's key use it in the name of who writes. */
function useKey(key: IKey | undefined, fn: IFunction): void {
  key?.grant(fn, 'kms:Decrypt', 'kms:GenerateDataKey');
}

/** Checked here as the function will, so that a slip fails the synthesis and not the first delivery. */
function settings(kind: SinkSettings['kind'], given: Record<string, unknown>): Record<string, unknown> {
  const known = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const shown = Object.entries(known).map(([name, value]) => [
    name,
    Token.isUnresolved(value) ? placeholder(name) : value,
  ]);
  readSinkSettings(JSON.stringify([{ output: 'output', kind, ...Object.fromEntries(shown) }]));
  return { kind, ...known };
}

/** Names of resources are known when the stack is deployed. */
function placeholder(name: string): string {
  return name === 'queueUrl' ? 'https://queue' : 'x';
}
