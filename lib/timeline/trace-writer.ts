/**
 * Records a run's spans as advisory objects. It never fails and never holds up a run: nothing waits for a write but
 * `flush`, errors are told and got over, and memory, objects and bytes a write are bounded. The newest part is rewritten every few
 * seconds, so that a killed run can be looked at too; there is no timer, a span that comes late enough sets it off.
 */
import type { Names } from '../object-store/names.ts';
import type { ObjectStore } from '../object-store/object-store.ts';
import type { Clock } from '../util/clock.ts';
import type { Random } from '../util/random.ts';
import type { Span, Trace } from '../util/trace.ts';
import { encodePart, parsePartName, partId, type RunInfo, runId } from './trace-format.ts';

const PART_SPANS = 4096;
/** The last 200,000 spans of a run are kept. */
const KEPT_PARTS = 49;
const KEPT_RUNS = 20;
const REWRITE_MS = 5000;
/** Encoded parts that wait for a slow store; beyond it the newest is dropped. */
const MAX_WAITING = 4;

export interface TraceWriterOptions {
  readonly store: ObjectStore;
  readonly names: Names;
  readonly clock: Clock;
  readonly random: Random;
  readonly runInfo?: RunInfo | undefined;
  /** Runs that are kept, this one included; the oldest go at a flush. 0: all, somebody else prunes. Default 20. */
  readonly keptRuns?: number | undefined;
  /** Told what could not be stored or deleted. */
  readonly onTrouble?: ((what: string, error: unknown) => void) | undefined;
}

export class TraceWriter implements Trace {
  readonly run: string;
  readonly #options: TraceWriterOptions;
  readonly #startedAtMs: number;
  /** Clock.monotonic at `#startedAtMs`. */
  readonly #startMs: number;
  #part = 0;
  #spans: Span[] = [];
  /** Spans of the newest part that are stored or on their way. */
  #written = 0;
  #writtenAtMs: number;
  #waiting = 0;
  #writes: Promise<void> = Promise.resolve();

  constructor(options: TraceWriterOptions) {
    this.#options = options;
    this.#startedAtMs = options.clock.now();
    this.#startMs = options.clock.monotonic();
    this.#writtenAtMs = this.#startMs;
    this.run = runId(this.#startedAtMs, options.random.id());
  }

  span(span: Span): void {
    this.#spans.push({ ...span, startMs: span.startMs - this.#startMs, endMs: span.endMs - this.#startMs });
    if (this.#spans.length >= PART_SPANS) {
      this.#write();
      this.#spans = [];
      this.#written = 0;
      this.#part++;
    } else if (this.#options.clock.monotonic() - this.#writtenAtMs >= REWRITE_MS && this.#waiting === 0) {
      this.#write();
    }
  }

  /** Stores what is recorded so far, and forgets the oldest runs. Never rejects. */
  async flush(): Promise<void> {
    if (this.#spans.length > this.#written) this.#write();
    await this.#writes;
    const { store, names, keptRuns = KEPT_RUNS, onTrouble } = this.#options;
    if (keptRuns === 0) return;
    await pruneRuns(store, names, keptRuns, this.run).catch((error: unknown) => {
      onTrouble?.('traces of old runs were not deleted', error);
    });
  }

  #write(): void {
    const { store, names, clock, runInfo, onTrouble } = this.#options;
    this.#writtenAtMs = clock.monotonic();
    if (this.#waiting >= MAX_WAITING) return;
    const part = this.#part;
    const name = names.trace(partId(this.run, part));
    const body = encodePart({
      run: this.run,
      startedAtMs: this.#startedAtMs,
      info: runInfo ?? {},
      part,
      spans: this.#spans,
    });
    this.#written = this.#spans.length;
    this.#waiting++;
    const put = async (): Promise<void> => {
      await store.put(name, body);
      if (part >= KEPT_PARTS) await store.delete([names.trace(partId(this.run, part - KEPT_PARTS))]);
    };
    this.#writes = this.#writes
      .then(put)
      .catch((error: unknown) => onTrouble?.('a part of the trace was not stored', error))
      .then(() => {
        this.#waiting--;
      });
  }
}

/** Deletes the oldest runs. @param own a run that stays */
export async function pruneRuns(store: ObjectStore, names: Names, kept: number, own?: string): Promise<void> {
  const byRun = new Map<string, string[]>();
  for await (const { name } of store.list(names.tracePrefix())) {
    const run = parsePartName(name)?.run;
    if (run !== undefined) byRun.set(run, [...(byRun.get(run) ?? []), name]);
  }
  const old = [...byRun.keys()].sort().slice(0, -kept);
  const gone = old.filter((run) => run !== own).flatMap((run) => byRun.get(run) ?? []);
  if (gone.length > 0) await store.delete(gone);
}

/** Takes spans of a thread whose monotonic clock reads `aheadMs` less at the same moment. */
export function shiftedTrace(trace: Trace, aheadMs: number): Trace {
  return {
    span: (span) => trace.span({ ...span, startMs: span.startMs + aheadMs, endMs: span.endMs + aheadMs }),
    trouble: (what, error) => trace.trouble?.(what, error),
  };
}
