/** All rows with the greatest value, where several have it: what queries 5 and 7 ask for. */
import { type Aggregate, aggregator } from 'misa';

export function allWithGreatest<T>(by: (row: T) => number): Aggregate<T, T[]> {
  return aggregator<T, { greatest: number; rows: T[] }, T[]>({
    init: () => ({ greatest: 0, rows: [] }),
    add: (acc, row) => better(acc, { greatest: by(row), rows: [row] }),
    merge: better,
    result: ({ rows }) => rows,
  });
}

function better<T>(
  a: { greatest: number; rows: T[] },
  b: { greatest: number; rows: T[] },
): { greatest: number; rows: T[] } {
  if (a.rows.length === 0 || b.greatest > a.greatest) return b;
  if (b.greatest === a.greatest) a.rows.push(...b.rows);
  return a;
}
