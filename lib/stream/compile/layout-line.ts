/**
 * Lines of a job's state layout (`layoutOf`), read: for people who changed a job, and for showing stored state without the job's code.
 *
 *     s0/o0 window-aggregate tumbling(3600000,0) departures:count,meanDelay:avg table windows timed
 *     s0/o1 distinct table touched keyed by watermark
 */
import { columnsInText, type StoredColumn } from '../graph/stored-columns.ts';
import type { TableSpec } from '../graph/tables.ts';
import { WINDOW_TEXT } from '../graph/window-spec.ts';

/** What `OperatorContext.clock` is in a job. */
export type ClockName = 'watermark' | 'processing-time';

export interface LayoutLine {
  /** `s0/o1` */
  readonly place: string;
  readonly stage: number;
  readonly kind: string;
  /** A `windowText`. */
  readonly window: string | undefined;
  /** Those of its rows of state, in their order, also those that were removed. */
  readonly columns: readonly StoredColumn[] | undefined;
  /** `undefined`: the operator keeps no state. */
  readonly table: (Pick<TableSpec, 'name' | 'kind'> & { readonly clock: ClockName | undefined }) | undefined;
}

const LINE = new RegExp(
  `^(s(\\d+)/o\\d+) (\\S+)(?: (${WINDOW_TEXT.source}))?(?: (.*?))??(?: complete)?(?: table (\\S+) (keyed|timed|ordered)(?: by (watermark|processing-time))?)?$`,
  'su',
);

/** @returns `undefined`: it is something else */
export function parseLayoutLine(line: string): LayoutLine | undefined {
  const found = LINE.exec(line);
  if (found === null) return undefined;
  const [, place, stage, kind, window, columns, name, tableKind, clock] = found;
  return {
    place: place!,
    stage: Number(stage),
    kind: kind!,
    window,
    columns: columns === undefined ? undefined : columnsInText(columns),
    table:
      name === undefined
        ? undefined
        : { name, kind: tableKind as TableSpec['kind'], clock: clock as ClockName | undefined },
  };
}
