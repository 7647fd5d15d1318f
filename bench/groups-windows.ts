/** Windows of very many rows, of very many keys that close at once, and of one key with very many sessions. */
import { count, type JobOptions, job, max, session, sum, tumbling } from '../lib/index.ts';
import type { GroupCell, GroupRow } from './groups-cell.ts';

/** Little enough that most of a million rows are below memory. */
const OPTIONS: JobOptions = { state: { cacheBytes: 32 << 20 } };
const aggregates = { n: count<GroupRow>(), t: max((r: GroupRow) => r.t), i: sum((r: GroupRow) => r.i) };

/** Rows at these times, each with a number; then one so late that the windows of all others are over. */
function* rowsAt(size: number, timeOf: (i: number) => number): Generator<GroupRow, void, undefined> {
  for (let i = 0; i < size; i++) yield { side: 'left', t: timeOf(i), i };
  yield { side: 'right', t: 1e12, i: size };
}

export const WINDOW_CELLS: Readonly<Record<string, GroupCell>> = {
  'session-rows': {
    what: 'a session of so many rows of one key, some of them out of order',
    of: 'rows',
    job: (rows) =>
      job(
        'j',
        rows
          .keyBy((r) => r.side)
          .window(session(100))
          .aggregate(aggregates),
        OPTIONS,
      ),
    rows: (size) => rowsAt(size, (i) => i - ((i * 7) % 50)),
    results: () => 1,
  },
  'session-many': {
    what: 'so many sessions of one key, all of them open until the end, their rows somewhat out of order',
    of: 'sessions',
    job(rows) {
      const waiting = rows.withEventTime((r) => r.t, { delay: 1e9 });
      return job(
        'j',
        waiting
          .keyBy((r) => r.side)
          .window(session(3))
          .aggregate(aggregates),
        OPTIONS,
      );
    },
    rows: (size) => rowsAt(size, (i) => 5 * (i - (i % 16) + ((i * 7) % 16))),
    results: (size) => size,
  },
  'session-keys': {
    what: 'a session for each of so many keys, all of which end at once',
    of: 'keys',
    job: (rows) =>
      job(
        'j',
        rows
          .keyBy((r) => r.i)
          .window(session(1e9))
          .aggregate(aggregates),
        OPTIONS,
      ),
    rows: (size) => rowsAt(size, () => 0),
    results: (size) => size,
  },
  'window-keys': {
    what: 'a window with so many keys, which closes at once',
    of: 'keys',
    job: (rows) =>
      job(
        'j',
        rows
          .keyBy((r) => r.i)
          .window(tumbling(1e9))
          .aggregate(aggregates),
        OPTIONS,
      ),
    rows: (size) => rowsAt(size, () => 0),
    results: (size) => size,
  },
};
