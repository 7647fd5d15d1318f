/** Joins of a key with very many rows, which is the worst that can come. */
import { type JobOptions, job, type KeyedStream, type Source } from '../lib/index.ts';
import type { GroupCell, GroupRow } from './groups-cell.ts';

const PROBES = 1000;
const MATCHES = 10;
/** Little enough that most of a million rows are below memory. */
const OPTIONS: JobOptions = { state: { cacheBytes: 32 << 20 } };

const sideOf = (rows: Source<GroupRow>, side: GroupRow['side']): KeyedStream<null, GroupRow> =>
  rows.filter((r) => r.side === side).keyBy(() => null);

export const JOIN_CELLS: Readonly<Record<string, GroupCell>> = {
  'join-buffered': {
    what: 'a left join whose rows wait while so many others come; of twice as many rows 1,000 find a partner, and half have waited in the end',
    of: 'buffered rows',
    job(rows, size) {
      const pairs = sideOf(rows, 'left').join(sideOf(rows, 'right'), {
        type: 'left',
        within: { before: -size, after: size },
        select: (l, r) => [l.i, r?.i ?? null],
      });
      return job('j', pairs, OPTIONS);
    },
    *rows(size) {
      const every = Math.floor((2 * size) / PROBES);
      for (let i = 0; i < 2 * size; i++) {
        yield { side: 'left', t: i, i };
        if (i % every === 0) yield { side: 'right', t: i, i };
      }
    },
    results: (size) => size,
  },
  'join-matches': {
    what: 'an inner join in which so many pairs come of 10 rows that follow a tenth of as many',
    of: 'pairs',
    job(rows, size) {
      const pairs = sideOf(rows, 'left').join(sideOf(rows, 'right'), {
        within: size,
        select: (l, r) => [l.i, r.i],
      });
      return job('j', pairs, OPTIONS);
    },
    *rows(size) {
      const first = size / MATCHES;
      for (let i = 0; i < first; i++) yield { side: 'left', t: i, i };
      for (let i = 0; i < MATCHES; i++) yield { side: 'right', t: first + i, i };
    },
    results: (size) => size,
  },
};
