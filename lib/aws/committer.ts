/**
 * The commit side as a batch function sees it: a queue of hints, and its own hands under backpressure. Hints go out when
 * the handler is about to return, a partition's only every few batches; lost ones cost time only, since the next finds
 * more to fold and the sweep finds the rest.
 */

import { commitPartition } from '../commit/commit-work.ts';
import { compact } from '../commit/compact.ts';
import { fold } from '../commit/fold.ts';
import { COMPACTION } from '../commit/pick-compaction.ts';
import { errorText } from '../errors.ts';
import type { Committer } from '../job/committer.ts';
import type { StoredJobContext } from '../job/job-context.ts';
import type { LoadedManifest } from '../manifest/manifest.ts';
import type { PartitionPath } from '../object-store/names.ts';
import type { OutgoingMessage } from '../queue/queue.ts';
import { encodeMessage } from './messages.ts';
import type { Services } from './services.ts';

/** A partition's log entries are folded so many at a time: a fold is two writes, and a lag of 8 is allowed. */
const HINT_EVERY = 6;
/** How often backpressure waits for a fold function before it folds itself, and for how long, ms. */
const WAITS = 3;
const WAIT_MS = 150;
/** L0 SSTs beyond which a batch that waits brings them down itself, by one compaction of about so many bytes. */
const DEEP_L0 = 3 * COMPACTION.l0Trigger;
const INLINE_BYTES = 8 << 20;

type Listener = (path: PartitionPath, loaded: LoadedManifest) => void;

export class QueueCommitter implements Committer {
  readonly #services: Services;
  readonly #context: StoredJobContext;
  readonly #listeners: Listener[] = [];
  readonly #hints = new Map<PartitionPath, number>();
  readonly #waits = new Map<PartitionPath, number>();

  constructor(services: Services, context: StoredJobContext) {
    this.#services = services;
    this.#context = context;
  }

  committed(path: PartitionPath, n: number): void {
    this.#waits.delete(path);
    // All partitions send hints at the same batches, so that one invocation folds many.
    if (n % Math.min(HINT_EVERY, this.#services.job.commit.maxLag) === 0) this.#hints.set(path, n);
  }

  onManifest(listener: Listener): void {
    this.#listeners.push(listener);
  }

  check(): void {}

  /** Waits for a fold function a few times; then folds here, and brings a deep L0 down by one compaction. */
  async relieve(path: PartitionPath): Promise<void> {
    const waits = this.#waits.get(path) ?? 0;
    this.#waits.set(path, waits + 1);
    if (waits < WAITS) return this.#services.clock.sleep(WAIT_MS * 2 ** waits);
    const partition = commitPartition(this.#context, path);
    const { loaded } = await fold(partition);
    this.#tell(path, loaded);
    if (loaded.manifest.l0.length <= DEEP_L0) return;
    this.#tell(path, (await compact(partition, { from: loaded, boundBytes: INLINE_BYTES })).loaded);
  }

  /** Sends the hints that are due. Best effort. */
  async flush(): Promise<void> {
    const { queue, settings, report } = this.#services;
    const messages = [...this.#hints].map(([path, n]): OutgoingMessage => {
      const body = encodeMessage({ kind: 'fold', job: this.#context.file.id, path, n });
      return { body, group: path, dedupId: `fold-${this.#context.file.id}-${path}-${n}` };
    });
    this.#hints.clear();
    if (messages.length === 0) return;
    try {
      await queue(settings.foldQueue).send(messages);
    } catch (error) {
      report.warn('a commit hint was not sent: the next one, or the sweep, does its work', { error: errorText(error) });
    }
  }

  async close(): Promise<void> {
    await this.flush();
  }

  #tell(path: PartitionPath, loaded: LoadedManifest): void {
    for (const listener of this.#listeners) listener(path, loaded);
  }
}
