/**
 * What came to the input queue: rows sent as messages, the word to close everything, and hints about source objects, which a
 * listing confirms. ⚑ piece-identity: each has the identity of what it is (the object's name, the message), never of the
 * delivery it came in, so that it is planned once however often it comes.
 */
import type { SQSRecord } from 'aws-lambda';
import { InputError } from '../errors.ts';
import { s3Path } from '../source/s3-object.ts';
import type { PhysicalJob } from '../stream/compile/physical.ts';
import type { InputPlace } from './settings.ts';
import { triesOf } from './sqs-function.ts';

/** A message as it came. */
export interface Delivery {
  readonly id: string;
  readonly body: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** How often it was delivered, this time included. */
  readonly tries?: number | undefined;
}

export function deliveryOf(record: SQSRecord): Delivery {
  const { messageId, body, messageAttributes } = record;
  const attributes: Record<string, string> = {};
  for (const [name, { stringValue }] of Object.entries(messageAttributes ?? {})) {
    if (stringValue !== undefined) attributes[name] = stringValue;
  }
  return { id: messageId, body, attributes, tries: triesOf(record) };
}

/** Rows of a message, in the order sent. */
export type MessageArrival =
  | { readonly kind: 'rows'; readonly source: number; readonly name: string; readonly rows: readonly unknown[] }
  /** A message that is not JSON counts as one bad row. */
  | {
      readonly kind: 'bad';
      readonly source: number;
      readonly name: string;
      readonly text: string;
      readonly reason: string;
    }
  | { readonly kind: 'flush'; readonly name: string };

/** A place may hold input that is not planned. */
export type Hint =
  | {
      readonly kind: 'object';
      readonly place: InputPlace;
      readonly key: string;
      /** Of the version that was written, if the notification says so. */
      readonly etag?: string | undefined;
    }
  /** Look for objects after this key: none was announced, or their announcement was given up. */
  | { readonly kind: 'look'; readonly place: InputPlace; readonly after: string };

export type Arrival = MessageArrival | Hint;

/** @throws {InputError} `BAD_MESSAGE`, `UNKNOWN_SOURCE`: nobody knows what it is for */
export function arrivalsOf(delivery: Delivery, job: PhysicalJob, inputs: readonly InputPlace[]): Arrival[] {
  const { id, body } = delivery;
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (error) {
    const reason = `it is no JSON (${(error as Error).message})`;
    return [{ kind: 'bad', source: sourceOf(delivery, undefined, job), name: nameOf(id), text: body, reason }];
  }
  const object = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  // A notification that came through an SNS topic is wrapped.
  if (object.Type === 'Notification' && typeof object.TopicArn === 'string' && typeof object.Message === 'string') {
    return arrivalsOf({ ...delivery, body: object.Message }, job, inputs);
  }
  if (object.Event === 's3:TestEvent') return [];
  if (isS3Event(object)) return object.Records.flatMap((record) => announced(record, id, job, inputs));
  if (object['detail-type'] === 'Object Created' && object.source === 'aws.s3') {
    const { bucket, object: created } = object.detail as Detail;
    const { key, etag, size } = created;
    return hint({ bucket: bucket.name, key, etag, size }, id, job, inputs);
  }
  if (object.misa !== undefined) return ours(object, delivery, job, inputs);
  const rows = Array.isArray(value) ? value : [value];
  return [{ kind: 'rows', source: sourceOf(delivery, undefined, job), name: nameOf(id), rows }];
}

interface S3Record {
  readonly eventName: string;
  readonly s3: {
    readonly bucket: { readonly name: string };
    readonly object: { readonly key: string; readonly eTag?: string; readonly size?: number };
  };
}

interface Detail {
  readonly bucket: { readonly name: string };
  readonly object: { readonly key: string; readonly etag?: string; readonly size?: number };
}

function isS3Event(value: Record<string, unknown>): value is { Records: S3Record[] } {
  const { Records } = value;
  return (
    Array.isArray(Records) &&
    Records.length > 0 &&
    Records.every((record) => record?.eventSource === 'aws:s3' && record.s3)
  );
}

function announced(
  { eventName, s3 }: S3Record,
  id: string,
  job: PhysicalJob,
  inputs: readonly InputPlace[],
): Arrival[] {
  if (!/^(s3:)?ObjectCreated:/.test(eventName)) return [];
  // S3 encodes keys in notifications as in a form: a plus is a space.
  const key = decodeURIComponent(s3.object.key.replaceAll('+', ' '));
  const { eTag: etag, size } = s3.object;
  return hint({ bucket: s3.bucket.name, key, etag, size }, id, job, inputs);
}

function hint(
  object: {
    readonly bucket: string;
    readonly key: string;
    readonly etag?: string | undefined;
    readonly size?: number | undefined;
  },
  id: string,
  job: PhysicalJob,
  inputs: readonly InputPlace[],
): Hint[] {
  const { bucket, key, size } = object;
  const etag = object.etag?.replaceAll('"', '');
  // An empty object, such as consoles create for a folder.
  if (size === 0) return [];
  const place = inputs.find((i) => i.bucket === bucket && key.startsWith(i.prefix));
  if (place !== undefined && job.sources.some((s) => s.name === place.source)) {
    return [{ kind: 'object', place, key, etag }];
  }
  const url = s3Path(bucket, key);
  throw new InputError(
    'UNKNOWN_SOURCE',
    `${url} is announced (message ${id}), and no source of job ${job.name} reads there. Put it under one of: ${inputs.map((i) => s3Path(i.bucket, i.prefix)).join(', ')}`,
    url,
  );
}

function ours(
  message: Record<string, unknown>,
  delivery: Delivery,
  job: PhysicalJob,
  inputs: readonly InputPlace[],
): Arrival[] {
  const { misa, control, source, rows, id = delivery.id } = message;
  if (misa !== 1 || typeof id !== 'string') {
    const what = `version ${String(misa)}: send with the Misa that deployed job ${job.name}, or deploy the newer one`;
    throw new InputError('BAD_MESSAGE', `message ${delivery.id} is of ${what}`, nameOf(delivery.id));
  }
  if (control === 'flush') return [{ kind: 'flush', name: nameOf(id) }];
  if (control === 'look') {
    const { bucket, prefix, after } = message as { bucket?: unknown; prefix?: unknown; after?: unknown };
    // A place that is no longer an input of the deployed job is ignored.
    const place = inputs.find((i) => i.bucket === bucket && i.prefix === prefix);
    return place === undefined ? [] : [{ kind: 'look', place, after: typeof after === 'string' ? after : '' }];
  }
  if (!Array.isArray(rows) || typeof source !== 'string') {
    const form = '{"misa":1,"source":"NAME","rows":[…]}';
    throw new InputError('BAD_MESSAGE', `message ${delivery.id} has no rows: write ${form}`, nameOf(delivery.id));
  }
  return [{ kind: 'rows', source: sourceOf(delivery, source, job), name: nameOf(id), rows }];
}

function nameOf(id: string): string {
  return `message ${id}`;
}

function sourceOf(delivery: Delivery, named: string | undefined, job: PhysicalJob): number {
  const name = named ?? delivery.attributes.source ?? (job.sources.length === 1 ? job.sources[0]!.name : undefined);
  const index = job.sources.findIndex((s) => s.name === name);
  if (index >= 0) return index;
  const known = job.sources.map((s) => `'${s.name}'`).join(', ');
  const what = name === undefined ? 'does not say which source it is for' : `is for a source '${name}'`;
  throw new InputError(
    'UNKNOWN_SOURCE',
    `message ${delivery.id} ${what}; job ${job.name} has ${known}. Name it in the message attribute 'source'`,
    nameOf(delivery.id),
  );
}

/** A look at a place's listing, as a message. */
export function encodeLook({ bucket, prefix }: InputPlace, after: string): string {
  return JSON.stringify({ misa: 1, control: 'look', bucket, prefix, after });
}
