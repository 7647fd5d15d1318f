/**
 * The first row of each key, at once and finally; all others are dropped. A row that a function behind refuses was none: the
 * next of its key is the first.
 *
 * With `state.ttl` a key is forgotten when no row of it has come for so long, duplicates among them.
 *
 * With `within` a key is forgotten when the watermark reaches the event time of its row + within. What is not late by then is further away from
 * that row, so forgetting goes by what is late in each batch, whatever the batch's own watermark is. A flush forgets
 * nothing: there is nothing to show of keys, and duplicates may come behind it.
 */
import { JobError } from '../../errors.ts';
import { eachOf } from '../../util/chunks.ts';
import type { Operator, OperatorContext, RowBatch } from '../graph/operator.ts';
import type { OperatorDefinition } from '../graph/operator-definition.ts';
import type { StateTable } from '../graph/tables.ts';
import { Expiry } from './expiry.ts';
import { rowPerKeyOperator } from './row-per-key.ts';
import { whenLoaded } from './when-loaded.ts';

/** By key: when it is forgotten, epoch ms; `null`: never. */
const SEEN = 0;
/** When keys are forgotten, as a timed table. */
const EXPIRIES = 1;

export function distinct(withinMs: number | undefined): OperatorDefinition {
  return {
    kind: 'distinct',
    eventTime: 'kept',
    check(_, [input]) {
      if (withinMs === undefined || input!.hasWatermark) return;
      throw new JobError(
        'DISTINCT_NEEDS_WATERMARK',
        'distinct({ within }) of a stream without watermark would never forget a key: give the source a delay, or leave within out',
      );
    },
    layout: () => (withinMs === undefined ? '' : `within(${withinMs})`),
    make: (name, { job }) =>
      withinMs === undefined ? distinctForEver(name, Expiry.of(job, SEEN + 1)) : distinctWithin(name, withinMs),
  };
}

function distinctForEver(name: string, expiry: Expiry | undefined): Operator {
  return rowPerKeyOperator<null>({
    name,
    table: 'seen',
    expiry,
    apply(batch, keys, context) {
      const seen = context.tables[SEEN] as StateTable<null>;
      for (let i = 0; i < keys.length; i++) {
        const key = keys[i]!;
        if (seen.get(key, 0) === undefined) {
          if (!emitRow(batch, i, context)) continue;
          seen.put(key, 0, null);
        }
        expiry?.touch(context, key);
      }
    },
  });
}

function distinctWithin(name: string, withinMs: number): Operator {
  const apply = (batch: RowBatch, keys: readonly string[], context: OperatorContext): void => {
    const { primary, times } = batch;
    const [seen, expiries] = context.tables as [StateTable<number>, StateTable<null>];
    // Keys that are forgotten were so up to there, also where rows come without a watermark of their own.
    const late = Math.max(batch.late, context.previousEvict);
    let lateCount = 0;
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!;
      if (times[i]! <= late) {
        if (primary?.[i] === 1) lateCount++;
        continue;
      }
      const known = seen.get(key, 0);
      if ((known !== undefined && known > late) || !emitRow(batch, i, context)) continue;
      const expiry = times[i]! + withinMs;
      if (known !== undefined) expiries.delete(key, known);
      seen.put(key, 0, expiry);
      expiries.put(key, expiry, null);
    }
    if (lateCount > 0) context.fates.late(lateCount);
  };

  const forget = ({ tables, evict, previousEvict }: OperatorContext): Promise<void> | undefined => {
    if (evict === Infinity || !(evict > previousEvict)) return undefined;
    const [seen, expiries] = tables;
    // From where the last one ended: the batch before may have been a flush.
    const forgotten = eachOf(expiries!.scan(-Infinity, evict), ({ key }) => seen!.delete(key, 0));
    const finish = (): void => expiries!.forget(evict);
    if (forgotten !== undefined) return forgotten.then(finish);
    finish();
    return undefined;
  };

  return {
    name,
    tables: [
      { name: 'seen', kind: 'keyed' },
      { name: 'expiries', kind: 'timed' },
    ],
    inputs: 1,
    outputs: 1,
    outputWatermark: (watermark) => watermark,
    reads([batch], { evict, previousEvict }) {
      const keys = { table: SEEN, keys: batch!.keys };
      const moved = evict > previousEvict && evict < Infinity;
      return moved ? [keys, { table: EXPIRIES, after: previousEvict, upTo: evict }] : [keys];
    },
    run([batch], context) {
      const seen = context.tables[SEEN]!;
      const applied = whenLoaded(batch!, seen, (keys) => apply(batch!, keys, context));
      return applied === undefined ? forget(context) : applied.then(() => forget(context));
    },
  };
}

/** @returns false: a function behind the operator refused it */
function emitRow(batch: RowBatch, i: number, context: OperatorContext): boolean {
  return context.emit(0, batch.peek(i), batch.times[i]!, batch, i);
}
