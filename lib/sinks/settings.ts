/**
 * The sinks of a job as the stack writes them into `MISA_SINKS`: a JSON list, each with its output, its kind and what that
 * kind needs. Read strictly: what is misspelt is refused when the function starts, not ignored.
 */
import { isName } from '../object-store/names.ts';
import { isObjectName } from '../object-store/object-name.ts';
import type { DynamoDbSettings } from './dynamodb-sink.ts';
import type { EventBridgeSettings } from './eventbridge-sink.ts';
import { COLUMN_KINDS } from './parquet-columns.ts';
import type { ParquetSettings } from './parquet-sink.ts';
import type { FileSettings } from './result-files.ts';
import { SinkError } from './sink.ts';
import type { SqsSettings } from './sqs-sink.ts';

export type SinkSettings = { readonly output: string } & (
  | ({ readonly kind: 'sqs' } & SqsSettings)
  | ({ readonly kind: 'eventbridge' } & EventBridgeSettings)
  | ({ readonly kind: 'dynamodb' } & DynamoDbSettings)
  | ({ readonly kind: 'parquet' } & ParquetSettings)
  | ({ readonly kind: 'ndjson' } & FileSettings)
);

/** What is wrong with a value, or `undefined`. */
type Check = (value: unknown) => string | undefined;

const text: Check = (value) => (typeof value === 'string' && value !== '' ? undefined : 'must be text');
const url: Check = (value) => (/^https?:\/\/./.test(String(value)) ? undefined : 'must be the URL of a queue');
const group: Check = (value) => (value === 'partition' || value === 'key' ? undefined : "must be 'partition' or 'key'");
const source: Check = (value) =>
  text(value) ?? (/^aws\./.test(String(value)) ? "must not begin with 'aws.'" : undefined);
const prefix: Check = (value) =>
  value === '' || (typeof value === 'string' && value.endsWith('/') && isObjectName(value.slice(0, -1)))
    ? undefined
    : "must be empty or end with '/', of segments of [A-Za-z0-9._=-]";
const columns: Check = (value) =>
  isObject(value) && Object.values(value).every((kind) => (COLUMN_KINDS as readonly unknown[]).includes(kind))
    ? undefined
    : `must be an object of column names and their kinds: ${COLUMN_KINDS.join(', ')}`;

const KINDS: Readonly<Record<string, { readonly needs: Record<string, Check>; readonly may: Record<string, Check> }>> =
  {
    sqs: { needs: { queueUrl: url }, may: { groupBy: group } },
    eventbridge: { needs: { bus: text }, may: { source, detailType: text } },
    dynamodb: { needs: { table: text }, may: { partitionKey: text, sortKey: text } },
    parquet: { needs: {}, may: { bucket: text, prefix, columns } },
    ndjson: { needs: {}, may: { bucket: text, prefix } },
  };

/** @param json of `MISA_SINKS` @throws {SinkError} `BAD_SINKS` names the sink and what is wrong with it */
export function readSinkSettings(json: string): SinkSettings[] {
  let list: unknown;
  try {
    list = JSON.parse(json);
  } catch (error) {
    throw bad(`it is not JSON (${(error as Error).message})`);
  }
  if (!Array.isArray(list)) throw bad('it must be a list of sinks');
  for (const [at, sink] of list.entries()) check(sink, at);
  return list as SinkSettings[];
}

function check(sink: unknown, at: number): void {
  if (!isObject(sink)) throw bad(`sink ${at} must be an object`);
  const { output, kind, ...rest } = sink;
  if (typeof output !== 'string' || !isName(output.replace(/^_/, ''))) {
    throw bad(`sink ${at} needs the name of an output, not ${JSON.stringify(output)}`);
  }
  const where = `sink ${at}, of the output ${output},`;
  if (typeof kind !== 'string' || !Object.hasOwn(KINDS, kind)) {
    throw bad(`${where} has the kind ${JSON.stringify(kind)}; there are ${Object.keys(KINDS).join(', ')}`);
  }
  const { needs, may } = KINDS[kind]!;
  for (const name of Object.keys(needs)) if (rest[name] === undefined) throw bad(`${where} (${kind}) needs ${name}`);
  for (const [name, value] of Object.entries(rest)) {
    const checkOf = Object.hasOwn(needs, name) ? needs[name] : Object.hasOwn(may, name) ? may[name] : undefined;
    const known = [...Object.keys(needs), ...Object.keys(may)].join(', ');
    if (checkOf === undefined) throw bad(`${where} (${kind}) has ${name}, which is not one of ${known}`);
    const wrong = checkOf(value);
    if (wrong !== undefined) throw bad(`${where} (${kind}) has ${name} ${JSON.stringify(value)}: it ${wrong}`);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function bad(why: string): SinkError {
  return new SinkError('BAD_SINKS', `MISA_SINKS: ${why}. Correct the sinks of MisaJob and deploy again`);
}
