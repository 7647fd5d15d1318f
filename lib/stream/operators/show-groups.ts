/** Sends the results of groups on: as text where they go to an output as they are, else as rows. */
import { ByteWriter } from '../../util/bytes.ts';
import { eachOf } from '../../util/chunks.ts';
import type { Slots } from '../graph/accumulator.ts';
import { type OperatorContext, OperatorFailure } from '../graph/operator.ts';
import type { NumberRows, StateTable } from '../graph/tables.ts';
import type { FixedWindowSpec } from '../graph/window-spec.ts';
import type { GroupFold } from './fold.ts';
import { GroupLines } from './group-lines.ts';
import { decodeKey, type Key } from './key.ts';

/** @param end of the group's window; anything where there are none @param at where its state begins in `state` */
export type ShowGroup = (key: string, end: number, state: Slots, at?: number) => void;

export interface ShowGroups {
  readonly one: ShowGroup;
  /** Groups whose states are numbers, in their order. `undefined`: results go on as rows, one by one. */
  readonly columns: ((groups: NumberRows) => void) | undefined;
}

/**
 * Shows the groups of a table with `after < time ≤ upTo`, in their order.
 * @param show `undefined`: none is shown
 * @returns the time of the last of them; `-Infinity`: there is none
 */
export function showWithin(
  show: ShowGroups | undefined,
  table: StateTable<Slots>,
  after: number,
  upTo: number,
): number | Promise<number> {
  let last = -Infinity;
  const columns = show?.columns && table.numbers?.within(after, upTo);
  if (columns !== undefined) {
    for (const groups of columns) {
      last = groups.times[groups.count - 1]!;
      show!.columns!(groups);
    }
    return last;
  }
  const shown = eachOf(table.scan(after, upTo), ({ key, time, row }) => {
    last = time;
    show?.one(key, time, row);
  });
  return shown === undefined ? last : shown.then(() => last);
}

/**
 * What sends a group's result to port 0 of the operator.
 * @param windows `undefined`: groups have none
 */
export function showGroups(
  folding: GroupFold,
  windows: FixedWindowSpec | undefined,
): (context: OperatorContext) => ShowGroups {
  const lines = GroupLines.of(folding, windows?.sizeMs);
  const writer = new ByteWriter();
  return (context) => {
    const asRow: ShowGroup = (key, end, state, at = 0) => {
      const group = decodeKey(key);
      if (windows === undefined) showRow(folding, state, at, { key: group }, Number.NaN, context);
      else showWindow(folding, state, at, { key: group, windowStart: end - windows.sizeMs, windowEnd: end }, context);
    };
    const sink = lines === undefined ? undefined : context.lines?.(0);
    if (lines === undefined || sink === undefined) return { one: asRow, columns: undefined };
    return {
      one(key, end, state, at = 0) {
        const line = lines.line(key, end, folding.whole(state), at);
        if (line === undefined) asRow(key, end, state, at);
        else sink.line(line);
      },
      columns(groups) {
        const { count, keys, times, numbers } = groups;
        for (let i = 0; i < count; i++) {
          const first = i;
          writer.reset();
          i = lines.write(groups, first, writer);
          if (i > first) sink.lines(i - first, writer.view());
          if (i < count) asRow(keys.text(i), times[i]!, numbers as unknown as Slots, i * lines.width);
        }
      },
    };
  };
}

/** Columns that say which group it is. */
export const GROUP: readonly string[] = ['key'];
export const WINDOW_GROUP: readonly string[] = ['key', 'windowStart', 'windowEnd'];

/** Sends the result of a group in a window on. */
export function showWindow(
  folding: GroupFold,
  state: Slots,
  at: number,
  group: { readonly key: Key; readonly windowStart: number; readonly windowEnd: number },
  context: OperatorContext,
): void {
  showRow(folding, state, at, group, group.windowEnd - 1, context);
}

/**
 * Sends a group's result on, unless a function of the user refuses to make it: then it is set aside.
 * @param group says which group it is
 * @throws {OperatorFailure} that fails the batch
 */
function showRow(
  folding: GroupFold,
  state: Slots,
  at: number,
  group: Readonly<Record<string, unknown>>,
  time: number,
  context: OperatorContext,
): void {
  const row = { ...group };
  try {
    folding.show(state, row, at);
  } catch (error) {
    if (!(error instanceof OperatorFailure)) throw error;
    context.refuse(new OperatorFailure(error.operator, group, -1, error.cause));
    return;
  }
  context.emit(0, row, time);
}
