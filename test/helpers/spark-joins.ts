/** Spark's cases of joins as pipelines: sides, what is near and conditions by what the case says in words, columns by their names. */
import { count, type Stream, source, tumbling } from '../../lib/index.ts';

type CaseRow = Record<string, string | number | null>;

/** What a case says of its join. */
export interface JoinQuery {
  readonly op: string;
  readonly inputs: Readonly<Record<string, JoinInput>>;
  readonly join_type?: string;
  readonly on?: string;
  readonly output: readonly string[];
}

interface JoinInput {
  readonly event_time_s: string | null;
  readonly watermark_delay_s: number | null;
}

/** What a row of one side is joined by, and its columns. */
interface SideRow {
  readonly key: string | number;
  readonly columns: CaseRow;
}

type Sides = readonly [left: Stream<SideRow>, right: Stream<SideRow>];

interface At {
  readonly key: string | number;
  readonly windowEnd?: number;
}

/** Conditions behind the key and the time, which the cases write as SQL: of one side alone. */
const CONDITIONS: Readonly<Record<number, { left?: (row: CaseRow) => boolean; right?: (row: CaseRow) => boolean }>> = {
  40: { right: ({ rightValue }) => (rightValue as number) > 7 },
  41: { left: ({ leftValue }) => (leftValue as number) > 4 },
  47: {
    left: ({ leftValue }) => (leftValue as number) > 10,
    right: ({ rightValue }) => (rightValue as number) < 300 || (rightValue as number) > 1000,
  },
  52: { left: ({ leftValue }) => (leftValue as number) > 4 },
  53: { right: ({ rightValue }) => (rightValue as number) > 7 },
};

/** Rows as the case wants to see them. */
export function joinOf(id: number, query: JoinQuery): Stream<unknown> {
  const joined = joinedRows(id, query, query.op === 'self join' ? selfSides(query) : twoSides(query));
  if (!query.op.startsWith('join then')) return joined.map((row) => query.output.map((name) => row[name]));
  return joined
    .keyBy(() => null)
    .window(tumbling('600 s'))
    .aggregate({ n: count() })
    .map(({ windowStart, windowEnd, n }) => [windowStart / 1000, windowEnd / 1000, n]);
}

function joinedRows(id: number, { op, join_type, on }: JoinQuery, [left, right]: Sides): Stream<CaseRow> {
  const { left: ofLeft, right: ofRight } = CONDITIONS[id] ?? {};
  const options = {
    type: join_type!.replace('_outer', '').replace('left_semi', 'leftSemi'),
    ...nearOf(on!),
    ...(ofLeft === undefined ? {} : { whereLeft: (row: SideRow) => ofLeft(row.columns) }),
    ...(ofRight === undefined ? {} : { whereRight: (row: SideRow) => ofRight(row.columns) }),
    ...(op.startsWith('join then') ? { eventTime: 'left' } : {}),
    select: (...args: unknown[]) => {
      const at = args.pop() as At;
      const [leftRow, rightRow] = args as (SideRow | null)[];
      return columnsOf(leftRow ?? null, rightRow ?? null, at);
    },
  };
  // What type the join has is known only when the case is read.
  return left
    .keyBy(({ key }) => key)
    .join(
      right.keyBy(({ key }) => key),
      options as never,
    ) as unknown as Stream<CaseRow>;
}

/** All columns that cases ask for; those of a missing side are null. */
function columnsOf(left: SideRow | null, right: SideRow | null, at: At): CaseRow {
  const windowEnd = at.windowEnd === undefined ? null : at.windowEnd / 1000;
  const row: CaseRow = { key: at.key, window_end_s: windowEnd, 'v mod 5': at.key };
  for (const [name, side] of [['left', left] as const, ['right', right] as const]) {
    row[`${name}Value`] = side?.columns[`${name}Value`] ?? null;
    row[`${name}.window_end_s`] = side === null ? null : windowEnd;
    for (const column of ['key', 'time', 'text', 'v', 'id', 'ts']) {
      row[`${name}.${column}`] = side?.columns[column] ?? null;
    }
  }
  return row;
}

function nearOf(on: string): object {
  const windowed = /same tumbling window of (\d+) s/.exec(on);
  if (windowed !== null) return { window: tumbling(Number(windowed[1]) * 1000) };
  // Left between right − a and right + b: right between left − b and left + a.
  const between = /left\.time between right\.time - (\d+) and right\.time \+ (\d+)/.exec(on);
  if (between !== null) return { within: { before: Number(between[2]) * 1000, after: Number(between[1]) * 1000 } };
  if (on.includes('left.ts >= right.ts and left.ts <= right.ts + 5')) return { within: { before: 5000, after: 0 } };
  if (on.includes('right.ts >= left.ts and right.ts <= left.ts + 5')) return { within: { before: 0, after: 5000 } };
  return {};
}

/** Where the inputs are of one column `v`, it is key, event time and value. */
function twoSides({ inputs }: JoinQuery): Sides {
  const [left, right] = (['left', 'right'] as const).map((side) => {
    const { event_time_s: time, watermark_delay_s: delay } = inputs[side]!;
    return source<CaseRow>(side, {
      eventTime: (row) => (row[time ?? 'v'] as number) * 1000,
      ...(delay === null ? {} : { delay: delay * 1000 }),
    }).map(({ v, ...row }): SideRow => {
      if (v === undefined) return { key: row.key!, columns: row };
      const value = v as number;
      return { key: value, columns: { key: value, [`${side}Value`]: side === 'left' ? 2 * value : 3 * value } };
    });
  });
  return [left!, right!];
}

/** Each side has a watermark of its own, where there is one at all; the side that is not preserved has the even rows only. */
function selfSides({ inputs, join_type }: JoinQuery): Sides {
  const input = source<CaseRow>('in');
  const delay = inputs.in!.watermark_delay_s;
  if (delay === null) {
    const side = input.map((row): SideRow => ({ key: (row.v as number) % 5, columns: row }));
    return [side, side];
  }
  const even = input.filter(({ id }) => (id as number) % 2 === 0);
  const [left, right] = (join_type === 'right_outer' ? [even, input] : [input, even]).map((rows) =>
    rows
      .withEventTime(({ ts }) => (ts as number) * 1000, { delay: delay * 1000 })
      .map((row): SideRow => ({ key: row.id!, columns: row })),
  );
  return [left!, right!];
}
