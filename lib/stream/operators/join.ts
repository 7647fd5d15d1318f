/**
 * Joins of two streams on equal keys. Each side's rows are buffered; a row that comes looks for partners in the other side's buffer, and is
 * buffered then. Left rows of a batch first: so the right ones meet them there, and each pair comes exactly once.
 *
 * A row is kept until nothing that is not late can be its partner. Where the join preserves its side, it comes out then, unless it has
 * had a partner. In a left semi join, a left row comes out with its first partner and is kept no longer. Where neither time nor windows
 * bound it, a row is kept for ever, or until no row of its key has come for `state.ttl`.
 */
import { inTurn } from '../../util/in-turn.ts';
import type { Calls } from '../graph/calls.ts';
import type { JobSettings } from '../graph/job-settings.ts';
import type { Operator, ReadPlan, RowBatch } from '../graph/operator.ts';
import type { OperatorDefinition } from '../graph/operator-definition.ts';
import { Expiry } from './expiry.ts';
import { Arrivals } from './join-arrivals.ts';
import { JoinBatch, type JoinParts } from './join-batch.ts';
import { joinCalls } from './join-calls.ts';
import { sideSpec } from './join-side.ts';
import {
  hasOutputWatermark,
  type JoinSpec,
  joinText,
  LEFT,
  other,
  outputWatermarkOf,
  PORTS,
  type Port,
  RIGHT,
  reachOf,
  slotsOf,
} from './join-spec.ts';
import { after } from './when-loaded.ts';

/** @param eventTime whether results have event time */
export function streamJoin(spec: JoinSpec, eventTime: OperatorDefinition['eventTime']): OperatorDefinition {
  return {
    kind: 'join',
    eventTime,
    isAgeless: !hasOutputWatermark(spec),
    layout: () => joinText(spec),
    make: (name, { job, calls }) => joinOperator(name, spec, calls, job),
  };
}

function joinOperator(name: string, spec: JoinSpec, userCalls: Calls, job: JobSettings): Operator {
  const left = sideSpec(spec, LEFT, 0);
  const sides = [left, sideSpec(spec, RIGHT, left.tables.length)] as const;
  const tables = sides.flatMap((side) => side.tables);
  // What the watermark bounds is no affair of the ttl.
  const expiry = spec.near.kind === 'all' ? Expiry.of(job, tables.length) : undefined;
  const parts: JoinParts = { name, spec, sides, calls: joinCalls(spec, userCalls), expiry };
  return {
    name,
    tables: [...tables, ...(expiry?.tables ?? [])],
    inputs: 2,
    outputs: 1,
    outputWatermark: outputWatermarkOf(spec),
    reads(inputs, coming) {
      const { evict, previousEvict } = coming;
      const moved = evict > previousEvict && evict < Infinity;
      const due = moved ? sides.flatMap((side) => side.due ?? []) : [];
      return [
        ...PORTS.flatMap((port) => partners(spec, port, inputs[port]!, sides[other(port)].rows)),
        ...due.map((table) => ({ table, after: previousEvict, upTo: evict })),
        ...inputs.flatMap(({ keys }) => expiry?.reads(keys, coming) ?? []),
      ];
    },
    run(inputs, context) {
      const batch = new JoinBatch(parts, inputs, context);
      const begun = expiry?.begin(
        context,
        inputs.flatMap(({ keys }) => keys.texts()),
        (key) => batch.forget(key),
      );
      const arrived = after(begun, () => inTurn(PORTS, (port) => batch.arrive(port)));
      return after(arrived, () => inTurn(PORTS, (port) => batch.evict(port)));
    },
  };
}

/** Where the partners of rows are. @param table that of the other side's rows */
function partners(spec: JoinSpec, port: Port, batch: RowBatch, table: number): ReadPlan[] {
  const arrivals = new Arrivals(batch, reachOf(spec, port));
  for (let i = 0; i < batch.count; i++) {
    for (const slot of slotsOf(spec, batch.times[i]!, batch.late)) arrivals.add(i, slot);
  }
  return [...arrivals.stretches()].map(({ key, from, to }) => ({ table, key, from, to }));
}
