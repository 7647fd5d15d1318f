/**
 * Step 6 of a batch, behind it: its results, after those of all batches before (⚑ output-order), whoever computed them. A failure
 * is reported to whoever waits for that batch, and the next one tries again.
 */
import type { JobContext } from '../job/job-context.ts';
import type { DataLog } from '../log/data-log.ts';
import type { LogEntry } from '../log/entry.ts';
import { HedgedCreates } from '../object-store/hedged-creates.ts';
import { partitionPath } from '../object-store/names.ts';
import { type Publishing, publishEntry } from './publish.ts';

export class Publisher {
  readonly #context: JobContext;
  readonly #path: string;
  readonly #to: Publishing;
  readonly #log: DataLog;
  readonly #onPublished: (n: number) => void;
  #through = 0;
  #last: Promise<void> = Promise.resolve();

  /** @param onPublished told each batch whose results went out here */
  constructor(
    context: JobContext,
    { stage, partition }: { readonly stage: number; readonly partition: number },
    log: DataLog,
    onPublished: (n: number) => void,
  ) {
    const { store, names, clock } = context;
    this.#context = context;
    this.#path = partitionPath(stage, partition);
    this.#to = { store: HedgedCreates.of(store, clock), names, partition };
    this.#log = log;
    this.#onPublished = onPublished;
  }

  /** Outputs up to this batch are out. */
  get through(): number {
    return this.#through;
  }

  /** Outputs up to n are out, as a manifest or a log entry says. */
  isOut(n: number): void {
    this.#through = Math.max(this.#through, n);
  }

  /** Publishes up to this entry. */
  publish(entry: LogEntry): Promise<void> {
    const { trace, clock } = this.#context;
    const { n } = entry.header;
    const publish = async (): Promise<void> => {
      if (this.#through >= n) return;
      const startMs = clock.monotonic();
      await this.publishBefore(n);
      await publishEntry(this.#to, entry);
      this.isOut(n);
      this.#onPublished(n);
      trace.span({ lane: 'publish', path: this.#path, n, startMs, endMs: clock.monotonic() });
    };
    // One after the other.
    const published = this.#last.then(publish);
    this.#last = published.catch(() => {});
    return published;
  }

  /** Publishes what is committed before batch n and not published yet. */
  async publishBefore(n: number): Promise<void> {
    for (let m = this.#through + 1; m < n; m++) {
      const { entry } = await this.#log.readEntry(m);
      // Folded and collected: the fold has published it.
      if (entry !== undefined) await publishEntry(this.#to, entry);
      this.isOut(m);
    }
  }

  /** Waits for results that are being published. Never rejects. */
  async settled(): Promise<void> {
    await this.#last;
  }
}
