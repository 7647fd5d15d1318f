/** What a user would compare a deployed job with: the embedded run over the same objects, in the order of their names. */
import type { InputObjects } from '../../lib/aws/input-objects.ts';
import { runJob } from '../../lib/embedded/run-job.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import type { InputObject } from '../../lib/source/index.ts';
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import { seededRandom } from '../../lib/util/random.ts';
import { NO_TRACE } from '../../lib/util/trace.ts';
import { compareUtf8 } from '../../lib/util/utf8-order.ts';
import { FastClock, rowsOf, testCommitter } from './engine.ts';

/** Small blocks, at the same places wherever reading begins. */
export function blockEnd(at: number): number {
  return at - (at % 1000) + 1000;
}

/** An object in memory, as an input. */
export function objectOf(path: string, bytes: Uint8Array): InputObject {
  const body = Buffer.from(bytes);
  return {
    path,
    size: body.length,
    open: async () => ({
      async *blocks(offset) {
        for (let at = offset; at < body.length; at = blockEnd(at)) yield body.subarray(at, blockEnd(at));
      },
      read: async (offset, length) => body.subarray(offset, offset + length),
      close: async () => {},
    }),
  };
}

/** A bucket that holds no input. */
export const NO_OBJECTS: InputObjects = {
  async *list() {},
  open: () => {
    throw new Error('there are none');
  },
};

/** Result rows by output, sorted, of a run to the end with `--flush`, and how many were late. */
export async function embeddedResults(
  job: PhysicalJob,
  objects: ReadonlyMap<string, ReadonlyMap<string, InputObject>>,
): Promise<{ readonly rows: Record<string, string[]>; readonly late: number }> {
  const clock = new FastClock();
  const store = new MemoryStore({ clock });
  const random = seededRandom(1);
  const inputs = new Map(
    [...objects].map(([source, byKey]) => [
      source,
      [...byKey].sort(([a], [b]) => compareUtf8(a, b)).map(([, object]) => ({ ...object, etag: 'v1' })),
    ]),
  );
  const all = [...inputs.values()].flat();
  const retentionMs = 1e12;
  const end = await runJob(job, {
    store,
    clock,
    random,
    trace: NO_TRACE,
    cache: undefined,
    retentionMs,
    committer: (context) => testCommitter(context, { job, store }),
    inputs,
    lookAt: async (path) => all.find((object) => object.path === path)!,
    flush: true,
  });
  return { rows: await sortedRows(store, job), late: end.totals.late };
}

/** By output, in an order that does not depend on batches. */
export async function sortedRows(
  store: Parameters<typeof rowsOf>[0],
  job: PhysicalJob,
): Promise<Record<string, string[]>> {
  const rows: Record<string, string[]> = {};
  for (const { name } of job.outputs) {
    rows[name] = (await rowsOf(store, job, name))
      .flat()
      .map((row) => JSON.stringify(row))
      .sort();
  }
  return rows;
}
