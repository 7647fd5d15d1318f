/**
 * Result rows as items of a DynamoDB table, one item a key: the newest row. Each item carries where its row is from, and a
 * row is written only over an older one: (epoch, n, partition) must be greater than what is there. So doubled, late and
 * shuffled deliveries end in the same table, and a lost condition is success. Within a batch the last row of a key counts.
 *
 * Names and types of the key come from the table; the settings say only which columns it is made of. Items of another
 * output, or of a job of this name whose state was deleted, are never replaced: the numbers of their batches cannot be
 * compared with ours.
 */
import type * as DynamoDB from '@aws-sdk/client-dynamodb';
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import type { RequestOptions } from '../object-store/object-store.ts';
import { awsClientSettings } from '../util/aws-client.ts';
import { toAttributes, UnfitValue } from './dynamodb-item.ts';
import { DEFAULT_KEY, DEFAULT_SORT_KEY, type KeyColumn, keyAttribute, keyColumns } from './dynamodb-key.ts';
import { InFlight } from './in-flight.ts';
import { RefusedRows } from './refused-rows.ts';
import { errorCode, type ServiceOptions, serviceError, untilAnswered } from './service-calls.ts';
import { columnOf, columnsOf, type ResultBatch, type ResultSink, SinkError } from './sink.ts';

export interface DynamoDbSettings {
  readonly table: string;
  /** Column of the partition key; default `key`. */
  readonly partitionKey?: string | undefined;
  /** Column of the sort key, where the table has one; default `windowStart`. */
  readonly sortKey?: string | undefined;
}

/** Requests of one function environment at once. */
const WRITES_AT_ONCE = 32;
/** Where an item is from. Columns of these names are refused. */
const ORIGIN = ['misa_output', 'misa_epoch', 'misa_n', 'misa_partition'] as const;
const NEWER = `attribute_not_exists(#e) OR (#o = :o AND (#e < :e OR (#e = :e AND (#n < :n OR (#n = :n AND #p < :p)))))`;
const NAMES = { '#o': ORIGIN[0], '#e': ORIGIN[1], '#n': ORIGIN[2], '#p': ORIGIN[3] };

type Item = Record<string, AttributeValue>;

export class DynamoDbSink implements ResultSink {
  readonly #settings: DynamoDbSettings;
  readonly #service: ServiceOptions;
  readonly #sdk: typeof DynamoDB;
  readonly #client: DynamoDB.DynamoDBClient;
  readonly #writes = new InFlight(WRITES_AT_ONCE);
  #key: readonly KeyColumn[] | undefined;

  private constructor(sdk: typeof DynamoDB, settings: DynamoDbSettings, service: ServiceOptions) {
    this.#sdk = sdk;
    this.#settings = settings;
    this.#service = service;
    this.#client = new sdk.DynamoDBClient(awsClientSettings('DYNAMODB', service));
  }

  static async open(settings: DynamoDbSettings, service: ServiceOptions): Promise<DynamoDbSink> {
    return new DynamoDbSink(await import('@aws-sdk/client-dynamodb'), settings, service);
  }

  async deliver(batch: ResultBatch, options: RequestOptions = {}): Promise<void> {
    this.#key ??= await this.#describe(options);
    const refused = new RefusedRows(batch);
    const newest = this.#newest(batch, this.#key, refused);
    await this.#writes.forEach(newest, ({ i, item }) => this.#put(batch, i, item, refused, options));
    refused.throwIfAny(`the table ${this.#settings.table}`);
  }

  /** The last row of each key, as items. */
  #newest(
    batch: ResultBatch,
    key: readonly KeyColumn[],
    refused: RefusedRows,
  ): Iterable<{ readonly i: number; readonly item: Item }> {
    const rows = new Map<string, { i: number; row: Readonly<Record<string, unknown>>; key: Item }>();
    for (const [i, value] of batch.rows.entries()) {
      const row = columnsOf(value);
      this.#refuseLostWindows(row, key);
      const found = attempt(i, refused, () =>
        Object.fromEntries(key.map((one) => [one.attribute, keyAttribute(row, one)])),
      );
      if (found !== undefined) rows.set(JSON.stringify(found), { i, row, key: found });
    }
    return items(batch, rows.values(), refused);
  }

  /** Windows of a key would replace each other: seldom what is meant where nothing was said about the key. */
  #refuseLostWindows(row: Readonly<Record<string, unknown>>, key: readonly KeyColumn[]): void {
    const { table, partitionKey } = this.#settings;
    if (key.length > 1 || partitionKey !== undefined || columnOf(row, DEFAULT_SORT_KEY) === undefined) return;
    throw new SinkError(
      'SINK_TABLE',
      `the rows have windows, and the table ${table} has no sort key, so each window of a key would replace the one before. ` +
        `Use a table whose sort key is the number ${DEFAULT_SORT_KEY}, or say partitionKey: '${DEFAULT_KEY}' if only the last one is wanted`,
    );
  }

  async #put(batch: ResultBatch, i: number, item: Item, refused: RefusedRows, options: RequestOptions): Promise<void> {
    const command = new this.#sdk.PutItemCommand({
      TableName: this.#settings.table,
      Item: item,
      ConditionExpression: NEWER,
      ExpressionAttributeNames: NAMES,
      ExpressionAttributeValues: {
        ':o': item[ORIGIN[0]]!,
        ':e': item[ORIGIN[1]]!,
        ':n': item[ORIGIN[2]]!,
        ':p': item[ORIGIN[3]]!,
      },
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
    });
    try {
      await untilAnswered((abort) => this.#client.send(command, abort), this.#service, options);
    } catch (error) {
      options.signal?.throwIfAborted();
      if (error instanceof this.#sdk.ConditionalCheckFailedException) {
        const owner = error.Item?.[ORIGIN[0]]?.S;
        if (owner !== undefined && owner !== ownerOf(batch)) refused.add(i, foreign(owner, batch));
        return;
      }
      if (!/Validation|ItemCollectionSize/.test(errorCode(error))) throw this.#error(error);
      // The table may have been made anew, with another key.
      this.#key = undefined;
      const { message } = error as Error;
      const tooLarge = /Item size/i.test(message);
      refused.add(i, tooLarge ? 'too large: an item of DynamoDB has at most 400 KiB, names included' : message);
    }
  }

  /** The key as the table has it. */
  async #describe(options: RequestOptions): Promise<readonly KeyColumn[]> {
    const command = new this.#sdk.DescribeTableCommand({ TableName: this.#settings.table });
    try {
      const { Table } = await untilAnswered((abort) => this.#client.send(command, abort), this.#service, options);
      return keyColumns(this.#settings, Table ?? {});
    } catch (error) {
      options.signal?.throwIfAborted();
      throw error instanceof SinkError ? error : this.#error(error);
    }
  }

  #error(error: unknown): SinkError {
    const { table } = this.#settings;
    const grant = `dynamodb:PutItem and DescribeTable on ${table}`;
    return serviceError(error, `cannot write to the DynamoDB table ${table}`, grant);
  }
}

function* items(
  batch: ResultBatch,
  rows: Iterable<{ readonly i: number; readonly row: Readonly<Record<string, unknown>>; readonly key: Item }>,
  refused: RefusedRows,
): Generator<{ readonly i: number; readonly item: Item }> {
  const { epoch, n, partition } = batch;
  const origin: Item = {
    [ORIGIN[0]]: { S: ownerOf(batch) },
    [ORIGIN[1]]: { N: String(epoch) },
    [ORIGIN[2]]: { N: String(n) },
    [ORIGIN[3]]: { N: String(partition) },
  };
  for (const { i, row, key } of rows) {
    const item = attempt(i, refused, () => {
      const taken = ORIGIN.find((name) => Object.hasOwn(row, name));
      if (taken !== undefined) throw new UnfitValue(`the column ${taken} is kept for Misa: rename it`);
      return { ...toAttributes(row), ...key, ...origin };
    });
    if (item !== undefined) yield { i, item };
  }
}

function ownerOf({ job, output, jobId }: ResultBatch): string {
  return `${job}/${output}/${jobId}`;
}

function foreign(owner: string, { job, output }: ResultBatch): string {
  const [otherJob, otherOutput] = owner.split('/');
  if (otherJob === job && otherOutput === output) {
    return 'its item is from before the state of the job was deleted: empty the table, or name a new one';
  }
  return `its item belongs to the output ${otherOutput} of ${otherJob}: give each output a table, or keys, of its own`;
}

/** What it makes of row i; `undefined`: the row is refused. */
function attempt<T>(i: number, refused: RefusedRows, make: () => T): T | undefined {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof UnfitValue)) throw error;
    refused.add(i, error.message);
    return undefined;
  }
}
