/**
 * Commit functions: fold what hints name, and compact behind it. Hints of one partition are taken together; a partition
 * that fails leaves its own hints in the queue and no others.
 */

import { commitPartition } from '../commit/commit-work.ts';
import { compactOnce } from '../commit/compact-once.ts';
import { fold } from '../commit/fold.ts';
import type { CommitPartition } from '../commit/partition.ts';
import { pickCompaction } from '../commit/pick-compaction.ts';
import type { LoadedManifest } from '../manifest/manifest.ts';
import { greatest } from '../util/numbers.ts';
import type { FunctionEnvironment } from './function-environment.ts';
import type { Invocation } from './invocation.ts';
import { type CompactHint, encodeMessage, type FoldHint } from './messages.ts';

/** A compaction is not begun with less time than this left. */
const RESERVE_MS = 20_000;

export class CommitFunction {
  readonly #env: FunctionEnvironment;

  constructor(env: FunctionEnvironment) {
    this.#env = env;
  }

  /** Folds a partition as far as its log goes. @param hints of this partition, at least one */
  async fold(hints: readonly FoldHint[]): Promise<void> {
    const { clock, report, file } = this.#env;
    const own = hints.filter((hint) => hint.job === file.id);
    if (own.length === 0) return;
    const { path } = own[0]!;
    const expected = greatest(own.map((hint) => hint.n));
    // ⚑ published-known: a hint of the sweep says nothing of results.
    const publishedThrough = greatest(
      own.map((hint) => (hint.published === false ? 0 : hint.n)),
      0,
    );
    const partition = commitPartition(this.#env, path);
    for (;;) {
      const startMs = clock.monotonic();
      // Not beyond what the hints name: looking for more would cost a request each time, and new entries bring new hints.
      const result = await fold(partition, { expected, upTo: expected, publishedThrough });
      const { loaded } = result;
      const folded = result.outcome === 'folded';
      if (folded) {
        const span = { lane: 'fold', path, n: loaded.manifest.through, startMs, endMs: clock.monotonic() } as const;
        report.span({ ...span, detail: { entries: result.entries } });
        report.metric('Folded', result.entries);
        report.info('folded', { partition: path, through: loaded.manifest.through, entries: result.entries });
      }
      if (folded && loaded.manifest.through < expected) continue;
      await this.#askForCompaction(partition, loaded);
      return;
    }
  }

  /** Compacts a partition until nothing is due, or time runs out: the next fold asks again. */
  async compact({ job, path }: CompactHint, invocation: Invocation): Promise<void> {
    const { clock, report, file } = this.#env;
    if (job !== file.id) return;
    const partition = commitPartition(this.#env, path);
    let from: LoadedManifest | undefined;
    while (invocation.remainingMs > RESERVE_MS) {
      const startMs = clock.monotonic();
      const compacted = await compactOnce(partition, from);
      if (compacted === undefined) return;
      from = compacted.loaded;
      const { detail } = compacted;
      report.span({ lane: 'compact', path, n: from.manifest.through, startMs, endMs: clock.monotonic(), detail });
      report.info('compacted', { partition: path, ...detail });
    }
  }

  async #askForCompaction({ path }: CommitPartition, { manifest }: LoadedManifest): Promise<void> {
    const { queue, settings, file } = this.#env;
    if (pickCompaction(manifest) === undefined) return;
    const body = encodeMessage({ kind: 'compact', job: file.id, path });
    const dedupId = `compact-${file.id}-${path}-${manifest.version}`;
    await queue(settings.compactQueue).send([{ body, group: path, dedupId }]);
  }
}
