/**
 * Where a run takes results, beside the store: a directory, a stream, a consumer. Each batch after the one before; what no
 * place has yet is not deleted from the store while the run goes on.
 */
import type { JobContext, RunContext } from '../job/job-context.ts';
import type { BatchDone } from './engine.ts';
import type { OutputOptions } from './output/settings.ts';
import { OutputDirectory, type Results } from './output-directory.ts';
import { type Consume, ResultConsumer } from './result-consumer.ts';

/** Where results go, beside the store. */
export type Output =
  | ({ readonly kind: 'directory'; readonly path: string } & OutputOptions)
  /** Called with the NDJSON of each output and batch, in order; the run waits for it, one batch later. */
  | { readonly kind: 'stream'; readonly write: (output: string, rows: Uint8Array) => Promise<void> | void };

export interface ResultOptions {
  readonly output?: Output | undefined;
  /** Is given the results as rows, each batch after the one before, across runs; see `result-consumer.ts`. */
  readonly consumer?: { readonly name: string; readonly consume: Consume } | undefined;
  /** Ends the run after the batch that is under way. */
  readonly stop?: AbortSignal | undefined;
}

export class ResultPlaces {
  readonly #context: RunContext;
  readonly #options: ResultOptions;
  #directory: OutputDirectory | undefined;
  #consumer: ResultConsumer | undefined;
  #told: number | undefined;

  constructor(context: RunContext, options: ResultOptions) {
    this.#context = context;
    this.#options = options;
  }

  /** Opens the places, and copies to them what they lack up to batch `position`. */
  async open(position: number): Promise<void> {
    this.#directory = await openDirectory(this.#options, this.#context);
    await this.#directory?.copy(position);
    this.#consumer = await openConsumer(this.#options, this.#context);
    await this.#consumer?.catchUp(position, this.#options.stop);
    this.#tell();
  }

  /** Passes the results of a batch to all places. */
  async take(done: BatchDone): Promise<void> {
    const { output } = this.#options;
    const results = resultsOf(done);
    await this.#directory?.copy(done.n, { n: done.n, results });
    this.#tell();
    if (output?.kind === 'stream') await writeResults(this.#context, done.n, results, output.write);
    await this.#consumer?.deliver(done.n, results);
  }

  /** To be called while no batch comes: writes files whose time has come. */
  async tick(): Promise<void> {
    await this.#directory?.tick();
    this.#tell();
  }

  async close(): Promise<void> {
    await this.#consumer?.close();
    await this.closeDirectory();
  }

  async closeDirectory(): Promise<void> {
    await this.#directory?.close();
  }

  /** Result files that this run wrote, by name. */
  get files(): readonly string[] {
    return this.#directory?.files ?? [];
  }

  /** Tells the commit side which results may be deleted: those that all files have. */
  #tell(): void {
    const { kept } = this.#directory ?? { kept: Number.POSITIVE_INFINITY };
    if (kept !== this.#told) this.#context.committer.taken?.(kept);
    this.#told = kept;
  }
}

async function openDirectory(
  { output }: ResultOptions,
  { job, store, file, names, clock, trace }: JobContext,
): Promise<OutputDirectory | undefined> {
  if (output?.kind !== 'directory') return undefined;
  const { path: directory, kind: _, ...options } = output;
  const onTrouble = (what: string, error: unknown): void => trace.trouble?.(what, error);
  return OutputDirectory.open({ directory, options, store, names, file, outputs: job.outputs, clock, onTrouble });
}

async function openConsumer({ consumer }: ResultOptions, context: JobContext): Promise<ResultConsumer | undefined> {
  if (consumer === undefined) return undefined;
  const { outputs, partitions } = context.job;
  return ResultConsumer.open({ ...context, consumer: consumer.name, consume: consumer.consume, outputs, partitions });
}

/** Results of a batch from its log entries, where this run has them. */
function resultsOf({ committed }: BatchDone): Results {
  return (output, partition) => {
    let all = true;
    for (const stage of committed) {
      const entry = stage[partition]?.entry;
      all &&= entry !== undefined;
      const at = entry?.header.outputs.indexOf(output) ?? -1;
      if (at >= 0) return entry!.output(at);
    }
    // A quarantine without rows is mostly not among the outputs at all.
    return all ? new Uint8Array(0) : undefined;
  };
}

async function writeResults(
  { job, store, names }: JobContext,
  n: number,
  results: Results,
  write: (output: string, rows: Uint8Array) => Promise<void> | void,
): Promise<void> {
  for (const { name } of job.outputs) {
    for (let p = 0; p < job.partitions; p++) {
      let rows = results(name, p);
      if (rows === undefined) {
        const answer = await store.get(names.out(name, p, n));
        rows = answer.found ? answer.body : new Uint8Array(0);
      }
      if (rows.length > 0) await write(name, rows);
    }
  }
}
