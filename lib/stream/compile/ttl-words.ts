/**
 * What differs between two state layouts by `state.ttl`, in words: that it is on in one of them only, and that keys are forgotten by another clock.
 * Both show in the tables whose times are of the operators' clock (`TableSpec.ofClock`), which come with a ttl: what was stored by one clock means
 * nothing by the other, and of keys that were stored without a ttl nobody knows when they were touched.
 */
import { type LayoutLine, parseLayoutLine } from './layout-line.ts';

export interface TtlDifferences {
  /** One sentence a difference; each stands for all operators. */
  readonly words: readonly string[];
  /** The lines that they are about. */
  readonly lines: ReadonlySet<string>;
}

/** @param gone lines that only the store has @param come those that only the job has */
export function ttlDifferences(gone: readonly string[], come: readonly string[]): TtlDifferences {
  const [before, after] = [parsed(gone), parsed(come)];
  const words = new Set<string>();
  const lines = new Set<string>();
  const look = (mine: Parsed, others: Parsed, switched: string): void => {
    for (const [text, line] of mine) {
      if (line.table?.clock === undefined) continue;
      const told = isSwitched(line, mine, others) ? switched : otherClock(line, others, mine === before);
      if (told === undefined) continue;
      words.add(told);
      lines.add(text);
    }
  };
  look(before, after, 'state.ttl is off in the job and on in the store: set it back, or give the job another name');
  look(
    after,
    before,
    'state.ttl is on in the job and off in the store, where nothing says when keys were touched: set it back, or give the job another name',
  );
  return { words: [...words], lines };
}

type Parsed = ReadonlyMap<string, LayoutLine>;

function parsed(lines: readonly string[]): Parsed {
  const found = new Map<string, LayoutLine>();
  for (const text of lines) {
    const line = parseLayoutLine(text);
    if (line !== undefined) found.set(text, line);
  }
  return found;
}

/** All else of the operator is the same on both sides: of an operator that is another, all lines are here. */
function isSwitched({ place }: LayoutLine, mine: Parsed, others: Parsed): boolean {
  const hasClock = (lines: Parsed): boolean[] =>
    [...lines.values()].filter((line) => line.place === place).map(({ table }) => table?.clock !== undefined);
  return hasClock(mine).every(Boolean) && !hasClock(others).some(Boolean);
}

function otherClock({ place, kind, table }: LayoutLine, others: Parsed, isStored: boolean): string | undefined {
  const same = [...others.values()].find(
    (line) => line.place === place && line.kind === kind && line.table?.name === table!.name,
  );
  const [mine, other] = [table!.clock, same?.table?.clock];
  if (mine === undefined || other === undefined || mine === other) return undefined;
  const [stored, wanted] = isStored ? [mine, other] : [other, mine];
  return `state.ttl and ctx.ttl() go by ${CLOCKS[stored]} in the store, by ${CLOCKS[wanted]} in the job: ${BACK[stored]}, or give the job another name`;
}

const CLOCKS = { watermark: 'the watermark', 'processing-time': 'processing time' };

const BACK = {
  watermark: 'set the delay of its event times back',
  'processing-time': 'take the delay of its event times away again',
};
