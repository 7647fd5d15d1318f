/** The key of a DynamoDB table, made of columns of a row: a number where the table's key is one, else the canonical text. */
import type { AttributeValue, TableDescription } from '@aws-sdk/client-dynamodb';
import { numberText, UnfitValue } from './dynamodb-item.ts';
import { keyText } from './key-text.ts';
import { columnOf, SinkError } from './sink.ts';

export const DEFAULT_KEY = 'key';
export const DEFAULT_SORT_KEY = 'windowStart';

export interface KeyColumn {
  /** In the table. */
  readonly attribute: string;
  /** In the row. */
  readonly column: string;
  readonly type: 'S' | 'N';
  /** Of text, in UTF-8. */
  readonly maxBytes: number;
}

/** DynamoDB's limits. */
const PARTITION_KEY_BYTES = 2048;
const SORT_KEY_BYTES = 1024;

/** @throws {SinkError} `SINK_TABLE`: the settings and the table do not fit */
export function keyColumns(
  settings: {
    readonly table: string;
    readonly partitionKey?: string | undefined;
    readonly sortKey?: string | undefined;
  },
  { KeySchema = [], AttributeDefinitions = [] }: TableDescription,
): KeyColumn[] {
  const { table, partitionKey = DEFAULT_KEY, sortKey } = settings;
  const named = (keyType: string): string | undefined => KeySchema.find((k) => k.KeyType === keyType)?.AttributeName;
  const keyColumn = (attribute: string, column: string, maxBytes: number): KeyColumn => {
    const type = AttributeDefinitions.find((a) => a.AttributeName === attribute)?.AttributeType;
    if (type === 'S' || type === 'N') return { attribute, column, type, maxBytes };
    throw unfit(table, `its key ${attribute} is neither text nor a number (type ${type}). Use a table whose key is`);
  };
  const [hash, range] = [named('HASH'), named('RANGE')];
  if (hash === undefined) throw unfit(table, 'it has no partition key. Use a table that has one');
  if (range === undefined && sortKey !== undefined) {
    throw unfit(table, `it has no sort key. Use a table that has one, or leave out sortKey: '${sortKey}'`);
  }
  const key = [keyColumn(hash, partitionKey, PARTITION_KEY_BYTES)];
  if (range !== undefined) key.push(keyColumn(range, sortKey ?? DEFAULT_SORT_KEY, SORT_KEY_BYTES));
  return key;
}

/** @throws {UnfitValue} the row has no such column, or one that cannot be a key */
export function keyAttribute(
  row: Readonly<Record<string, unknown>>,
  { attribute, column, type, maxBytes }: KeyColumn,
): AttributeValue {
  const value = columnOf(row, column);
  if (value === undefined) {
    throw new UnfitValue(
      `it has no column ${column} for the key ${attribute}: name another by partitionKey or sortKey`,
    );
  }
  if (attribute !== column && Object.hasOwn(row, attribute)) {
    throw new UnfitValue(`its column ${attribute} would be replaced by the key, which is made of ${column}: rename it`);
  }
  if (type === 'N') {
    if (typeof value === 'number') return { N: numberText(value, column) };
    throw new UnfitValue(
      `its ${column} is no number, and the key ${attribute} of the table is: use a table with a text key`,
    );
  }
  const text = keyText(value);
  if (text === undefined)
    throw new UnfitValue(`its ${column} is an object, which cannot be a key: name another column`);
  if (Buffer.byteLength(text) <= maxBytes) return { S: text };
  throw new UnfitValue(`too large: its ${column} has more than ${maxBytes} bytes, which is all that a key may have`);
}

function unfit(table: string, why: string): SinkError {
  return new SinkError('SINK_TABLE', `the DynamoDB table ${table} cannot take the rows: ${why}`);
}
