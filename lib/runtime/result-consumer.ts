/**
 * Gives the results of a job to a function of the user, batch by batch, in the order of batch, output and partition, and
 * notes durably how far that is. Killed anywhere, the next run begins with the first batch that is not noted: the function
 * is called again with the same numbers and the same rows, so that a sink that keeps (batch, partition, output) beside the
 * rows, or writes under a name made of them, has each row once.
 *
 * Rows always come from the published bytes, so that a second call has what the first one had.
 */
import { QUARANTINE, QUARANTINE_PARTITION } from '../batch/run-operators.ts';
import { loadResultsMark, missingResult } from '../commit/results-mark.ts';
import { errorText, MisaError } from '../errors.ts';
import { DataLog } from '../log/data-log.ts';
import { numberOf, partitionPath } from '../object-store/names.ts';
import type { OutputSpec } from '../stream/physical.ts';
import { decodeNdjson } from '../util/ndjson.ts';
import { greatest } from '../util/numbers.ts';
import { ConsumerCursor, type CursorOptions } from './consumer-cursor.ts';
import type { Results } from './output-directory.ts';

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
  /** The last batch that is committed as the run begins. */
  readonly position: number;
}

interface Part {
  readonly output: string;
  readonly stage: number;
  readonly partition: number;
  /** It is a table: that it is empty now is a result, too. */
  readonly table: boolean;
}

export class ResultConsumer {
  readonly #options: ConsumerOptions;
  readonly #parts: readonly Part[];
  readonly #cursor: ConsumerCursor;
  /** Given out, or without results. */
  #through: number;
  #stopped = false;

  private constructor(options: ConsumerOptions, parts: readonly Part[], cursor: ConsumerCursor) {
    this.#options = options;
    this.#parts = parts;
    this.#cursor = cursor;
    this.#through = cursor.through;
  }

  /** @throws {MisaError} `BAD_NAME` @throws {CorruptionError} the cursor cannot be read */
  static async open(options: ConsumerOptions): Promise<ResultConsumer> {
    const parts = partsOf(options);
    const marked = async (): Promise<number> => (await loadResultsMark(options.store, options.names)).through;
    let isNew = false;
    const cursor = await ConsumerCursor.open(options, async () => {
      isNew = true;
      return Math.max(await marked(), await firstKept(options, parts));
    });
    // ⚑ results-condemned: now that its place is written, what is marked from here on waits for it.
    if (isNew) {
      const through = await marked();
      if (through > cursor.through) await cursor.advance(through);
    }
    return new ResultConsumer(options, parts, cursor);
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

  /** Notes how far it is. */
  async close(): Promise<void> {
    if (this.#through > this.#cursor.through) await this.#cursor.advance(this.#through);
  }

  async #deliver(n: number, known: Results): Promise<void> {
    const { consume } = this.#options;
    const read = await Promise.all(
      this.#parts.map((part) => known(part.output, part.partition) ?? this.#read(part, n)),
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
    // Only now: what is noted is never given out again.
    if (given || n - this.#cursor.through >= UNWRITTEN) await this.#cursor.advance(n);
    this.#through = n;
  }

  /** From the log entry while it is kept, since that has a checksum; else as it was published. */
  async #read({ output, stage, partition }: Part, n: number): Promise<Uint8Array> {
    const { store, names, consumer } = this.#options;
    const { entry } = await new DataLog(store, names, partitionPath(stage, partition)).readEntry(n);
    if (entry !== undefined) return entry.output(entry.header.outputs.indexOf(output));
    const name = names.out(output, partition, n);
    const answer = await store.get(name);
    if (answer.found) return answer.body;
    throw await missingResult(store, names, {
      name,
      n,
      who: `consumer ${consumer}`,
      todo: 'Another consumer name begins with the first batch that is there.',
    });
  }
}

function partsOf({ outputs, partitions }: ConsumerOptions): Part[] {
  const parts = outputs.flatMap(({ name: output, stage, kind }) =>
    Array.from({ length: partitions }, (_, partition) => ({ output, stage, partition, table: kind === 'table' })),
  );
  parts.push({ output: QUARANTINE, stage: 0, partition: QUARANTINE_PARTITION, table: false });
  return parts;
}

/** Where a new consumer begins: before the first batch of which all results are still there. */
async function firstKept({ store, names, position }: ConsumerOptions, parts: readonly Part[]): Promise<number> {
  if (position === 0) return 0;
  const firsts = await Promise.all(
    parts.map(async ({ output, partition }) => {
      for await (const { name } of store.list(names.outPrefix(output, partition))) return numberOf(name);
      return 1;
    }),
  );
  return greatest(firsts) - 1;
}
