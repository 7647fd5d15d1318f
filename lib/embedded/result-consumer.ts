/**
 * Gives the results of a job to a function of the user, batch by batch, in the order of batch, output and partition, and
 * notes durably how far that is. Killed anywhere, the next run begins with the first batch that is not noted: the function
 * is called again with the same numbers and the same rows, so that a sink that keeps (batch, partition, output) beside the
 * rows, or writes under a name made of them, has each row once.
 *
 * Rows always come from the published bytes, so that a second call has what the first one had.
 */

import { loadResultsMark } from '../commit/results-mark.ts';
import { errorText, MisaError } from '../errors.ts';
import { ConsumerCursor, type CursorOptions } from '../job/consumer-cursor.ts';
import { QUARANTINE, QUARANTINE_PARTITION } from '../job/outputs.ts';
import type { OutputSpec } from '../stream/compile/physical.ts';
import { decodeNdjson } from '../util/ndjson.ts';
import type { Results } from './output-directory.ts';
import { type ResultPlace, ResultReader } from './read-result.ts';

/** Batches without results that may pass before the cursor is written again. */
const UNWRITTEN = 64;

/** Results of one output of one batch, in one partition. */
export interface ConsumedRows {
  readonly batch: number;
  readonly partition: number;
  readonly output: string;
  readonly rows: unknown[];
}

export type Consume = (results: ConsumedRows) => Promise<void> | void;

export interface ConsumerOptions extends CursorOptions {
  readonly outputs: readonly OutputSpec[];
  readonly partitions: number;
  readonly consume: Consume;
}

interface Part extends ResultPlace {
  /** The output is a table, so that no rows are a result, too: the table is empty. */
  readonly table: boolean;
}

export class ResultConsumer {
  readonly #options: ConsumerOptions;
  readonly #parts: readonly Part[];
  readonly #cursor: ConsumerCursor;
  readonly #reader: ResultReader;
  /** Batches up to this are given out, or had no results. */
  #through: number;
  #stopped = false;

  private constructor(options: ConsumerOptions, parts: readonly Part[], cursor: ConsumerCursor) {
    this.#options = options;
    this.#parts = parts;
    this.#cursor = cursor;
    this.#reader = new ResultReader(options.store, options.names);
    this.#through = cursor.through;
  }

  /** @throws {MisaError} `BAD_NAME` @throws {CorruptionError} the cursor cannot be read */
  static async open(options: ConsumerOptions): Promise<ResultConsumer> {
    const { store, names } = options;
    const cursor = await ConsumerCursor.open(options, async () => (await loadResultsMark(store, names)).through);
    return new ResultConsumer(options, partsOf(options), cursor);
  }

  /**
   * Gives out what is committed and was not taken yet.
   * @param stop ends it after a batch; then nothing more is given out in this run
   */
  async catchUp(through: number, stop: AbortSignal | undefined): Promise<void> {
    for (let n = this.#through + 1; n <= through && !this.#stopped; n++) {
      await this.#deliver(n, () => undefined);
      this.#stopped = stop?.aborted === true && n < through;
    }
  }

  /**
   * Gives out the results of batches up to `n`.
   * @param known results of batch n that are at hand
   * @throws {MisaError} `ON_BATCH`: the user's function failed; the batch is given out again by the next run
   */
  async deliver(n: number, known: Results): Promise<void> {
    await this.catchUp(n - 1, undefined);
    if (!this.#stopped && n > this.#through) await this.#deliver(n, known);
  }

  /** Saves the position. */
  async close(): Promise<void> {
    if (this.#through > this.#cursor.through) await this.#cursor.advance(this.#through);
  }

  async #deliver(n: number, known: Results): Promise<void> {
    const { consume } = this.#options;
    const read = await Promise.all(
      // ⚑ absent-is-empty: nothing is deleted that this consumer has not had.
      this.#parts.map(
        async (part) => known(part.output, part.partition) ?? (await this.#reader.read(part, n)) ?? new Uint8Array(0),
      ),
    );
    let given = false;
    for (const [i, { output, partition, table }] of this.#parts.entries()) {
      const bytes = read[i]!;
      if (bytes.length === 0 && !table) continue;
      given = true;
      try {
        await consume({ batch: n, partition, output, rows: decodeNdjson(bytes) });
      } catch (error) {
        throw new MisaError(
          'ON_BATCH',
          `onBatch failed at batch ${n}, output ${output}, partition ${partition}: ${errorText(error)}. The batch is committed; the next run calls onBatch with it again.`,
          { cause: error },
        );
      }
    }
    // Only after all calls have succeeded: batches up to the saved position are never given out again.
    if (given || n - this.#cursor.through >= UNWRITTEN) await this.#cursor.advance(n);
    this.#through = n;
  }
}

function partsOf({ outputs, partitions }: ConsumerOptions): Part[] {
  const parts = outputs.flatMap(({ name: output, stage, kind }) =>
    Array.from({ length: partitions }, (_, partition) => ({ output, stage, partition, table: kind === 'table' })),
  );
  parts.push({ output: QUARANTINE, stage: 0, partition: QUARANTINE_PARTITION, table: false });
  return parts;
}
