/** What operators say that a batch will read, as state keys and ranges of them. */
import { describe, expect, it } from 'vitest';
import { KeyColumn } from '../../lib/columns/key-column.ts';
import { count, job, source, tumbling } from '../../lib/index.ts';
import type { PartitionInput } from '../../lib/plan/rows.ts';
import { type IsNear, type PlanOf, stateKeysOf, wantedBy } from '../../lib/preload/wanted.ts';
import { addressPrefix, timeRange } from '../../lib/state/address.ts';
import { compileJob } from '../../lib/stream/compile/compile.ts';
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import type { Coming, Operator, ReadPlan } from '../../lib/stream/graph/operator.ts';
import { encodeKey } from '../../lib/stream/operators/key.ts';

const NO_ROWS: PartitionInput = { edges: [], quarantined: [], objects: [] };
const PLAN: PlanOf = { kind: 'data', watermark: 50_000, previousWatermark: 20_000, processingTime: 7 };

function windows(outputMode: 'append' | 'update' | 'complete'): PhysicalJob {
  const events = source<{ k: string; t: number }>('events', { eventTime: (row) => row.t, delay: '1 s' });
  const counted = events
    .keyBy((row) => row.k)
    .window(tumbling('10 s'))
    .aggregate({ n: count() });
  return compileJob(job('windows', counted, { outputMode }));
}

function wantedOf(physical: PhysicalJob, plan = PLAN, isNear: IsNear = () => false) {
  const wanted = wantedBy(physical, 0, plan, NO_ROWS);
  return { keys: stateKeysOf(wanted, isNear).texts(), ranges: wanted.ranges };
}

describe('what a batch will read', () => {
  it('windows that close where they are shown', () => {
    expect(wantedOf(windows('append')).ranges).toEqual([timeRange(0, 20_000, 50_000)]);
    for (const mode of ['update', 'complete'] as const) expect(wantedOf(windows(mode)).ranges).toEqual([]);
    expect(wantedOf(windows('append'), { ...PLAN, watermark: 20_000 }).ranges).toEqual([]);
    expect(wantedOf(windows('append'), { ...PLAN, kind: 'flush' }).ranges).toEqual([]);
  });

  it('whatever an operator says of rows, positions and ranges, told what comes', () => {
    const told: Coming[] = [];
    const plans: ReadPlan[] = [
      { table: 1, keys: KeyColumn.of(['b', 'a', 'a', 'c'].map(encodeKey)), of: [0, 1, 2], times: [5, 5, 5] },
      { table: 2, keys: KeyColumn.of([encodeKey('k')]), positions: [encodeKey(3)] },
      { table: 2, key: encodeKey('k'), from: encodeKey(1) },
      { table: 1, after: Number.NEGATIVE_INFINITY, upTo: 7 },
    ];
    const operator: Operator = {
      ...{ name: 'any#0', inputs: 1, outputs: 1, outputWatermark: (watermark: number) => watermark },
      tables: [
        { name: 'keyed', kind: 'keyed' },
        { name: 'timers', kind: 'timed' },
        { name: 'list', kind: 'ordered' },
      ],
      reads: (_, coming) => {
        told.push(coming);
        return plans;
      },
      run: () => {},
    };
    const base = windows('append');
    const [node] = base.stages[0]!.operators;
    const physical: PhysicalJob = { ...base, stages: [{ operators: [{ ...node!, operator }] }] };
    const { keys, ranges } = wantedOf(physical);
    const timer = addressPrefix(1, 'timed', 5);
    const list = addressPrefix(2, 'ordered', 0) + encodeKey('k');
    expect(keys).toEqual([timer + encodeKey('a'), timer + encodeKey('b'), list + encodeKey(3)]);
    expect(ranges).toEqual([
      { from: list + encodeKey(1), to: `${list}\xff` },
      timeRange(1, Number.NEGATIVE_INFINITY, 7),
    ]);
    expect(told).toEqual([{ evict: 50_000, previousEvict: 20_000, processingTime: 7, clock: 50_000, mode: 'append' }]);
    expect(wantedOf(physical, PLAN, (table) => table === 1).keys).toEqual([list + encodeKey(3)]);
  });
});
