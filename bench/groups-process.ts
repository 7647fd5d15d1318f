/** Lists and maps of `process` with very many entries under one key. */
import { type JobOptions, job, type ListState, listState, type MapState, mapState } from '../lib/index.ts';
import type { GroupCell, GroupRow } from './groups-cell.ts';

/** Little enough that most of a million entries are below memory. */
const OPTIONS: JobOptions = { state: { cacheBytes: 32 << 20 } };
/** What the list is read for is told by its last row. */
const LAST = 'right';

function* rowsOf(size: number): Generator<GroupRow, void, undefined> {
  for (let i = 0; i < size; i++) yield { side: 'left', t: i, i };
  yield { side: LAST, t: size, i: size };
}

interface Listed {
  readonly list: ListState<number>;
}

interface Mapped {
  readonly map: MapState<number, number>;
}

export const PROCESS_CELLS: Readonly<Record<string, GroupCell>> = {
  'process-push': {
    what: 'a list of process() that is pushed to, and never read',
    of: 'entries',
    job(rows, size) {
      const out = rows
        .keyBy(() => null)
        .process<Listed, number>({
          init: () => ({ list: listState() }),
          onRow({ side, i }, ctx) {
            if (side === LAST) ctx.emit(size);
            else ctx.state.list.push(i);
          },
        });
      return job('j', out, OPTIONS);
    },
    rows: rowsOf,
    results: () => 1,
  },
  'process-list': {
    what: 'the same, read in the end',
    of: 'entries',
    job(rows, size) {
      const out = rows
        .keyBy(() => null)
        .process<Listed, number>({
          init: () => ({ list: listState() }),
          async onRow({ side, i }, ctx) {
            if (side !== LAST) return ctx.state.list.push(i);
            let n = 0;
            for await (const value of ctx.state.list) if (value === n) n++;
            if (n !== size) throw new Error(`${n} entries in order, not ${size}`);
            ctx.emit(n);
          },
        });
      return job('j', out, OPTIONS);
    },
    rows: rowsOf,
    results: () => 1,
  },
  'process-map': {
    what: 'a map of process() of which each row reads one entry and puts another',
    of: 'entries',
    job(rows, size) {
      const out = rows
        .keyBy(() => null)
        .process<Mapped, number>({
          init: () => ({ map: mapState() }),
          async onRow({ side, i }, ctx) {
            const { map } = ctx.state;
            // Anywhere among those that came before.
            const at = (i * 7919) % Math.max(1, i);
            if (i > 0 && (await map.get(at)) !== at) throw new Error(`no entry ${at}`);
            if (side === LAST) ctx.emit(size);
            else map.set(i, i);
          },
        });
      return job('j', out, OPTIONS);
    },
    rows: rowsOf,
    results: () => 1,
  },
};
