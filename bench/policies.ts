/**
 * `policies`: what policies of compaction write, read and hold, by kind of job, on a model of the store; and whether the model is right,
 * by real folds and compactions. The choice: `docs/decisions/0057-compaction-measured.md`.
 */
import type { BenchOptions } from './options.ts';
import { distinctLoad, keyedLoad, type Load, windowLoad, zipf } from './policies-load.ts';
import type { Policy } from './policies-model.ts';
import { lazyLeveled, leveled, sizeTiered, tieredL0 } from './policies-pick.ts';
import { checkAgainstReal } from './policies-real.ts';
import { type PolicyResult, runPolicy } from './policies-run.ts';
import type { Finding, Table } from './report.ts';

const MIB = 1 << 20;
/** Bytes of a row of three numbers and its key, in an SST. */
const ROW_BYTES = 60;
/** Of a model's entry, by which everything is fewer. */
const SCALE = 32;

function loads(folds: number): Load[] {
  const entryBytes = ROW_BYTES * SCALE;
  const changes = 80_000 / SCALE;
  const million = Math.round(1_000_000 / SCALE);
  const shared = { changes, entryBytes, folds };
  return [
    keyedLoad({ ...shared, name: 'uniform, 1 M keys', keys: million }),
    keyedLoad({ ...shared, name: 'uniform, 16 M keys', keys: 16 * million }),
    keyedLoad({
      ...shared,
      name: 'the same, folds a quarter as large',
      keys: 16 * million,
      changes: changes / 4,
      folds: 4 * folds,
    }),
    keyedLoad({ ...shared, name: 'Zipf 0.99, 16 M keys', keys: 16 * million, draw: zipf(16 * million, 0.99, 5) }),
    windowLoad({
      ...shared,
      name: 'tumbling windows of 15 folds',
      keys: million,
      foldsAWindow: 15,
      open: 1,
      delayFolds: 4,
    }),
    windowLoad({
      ...shared,
      name: 'sliding windows, six open',
      keys: million / 3,
      foldsAWindow: 4,
      open: 6,
      delayFolds: 4,
    }),
    distinctLoad({ name: 'distinct within 60 folds', changes, entryBytes: 40 * SCALE, folds, withinFolds: 60 }),
  ];
}

function policies(): Policy[] {
  return [
    leveled('leveled: L0 8, ratio 6 (now)'),
    leveled('the same, SSTs end at sizes alone', { cutsTimes: false }),
    leveled('L0 4, ratio 10 (before)', { l0Trigger: 4, ratio: 10, cutsTimes: false }),
    leveled('L0 8, ratio 10', { l0Trigger: 8, ratio: 10 }),
    leveled('L0 12, ratio 6', { l0Trigger: 12, ratio: 6 }),
    leveled('L0 8, ratio 6, L1 128 MiB', { baseBytes: 128 * MIB }),
    tieredL0('L0 tiered by 4 up to 32 MiB', 4, 32 * MIB),
    lazyLeveled('tiered by 4 above one run', 4, 1 / 3),
    sizeTiered('size-tiered by 4', 4),
  ];
}

export async function benchPolicies({ quick }: BenchOptions): Promise<Finding> {
  const results: PolicyResult[] = [];
  const names = loads(1).map(({ name }) => name);
  for (const i of names.keys())
    for (const policy of policies()) results.push(runPolicy(loads(quick ? 60 : 300)[i]!, policy));
  const real = await checkAgainstReal();
  const apart = Math.abs(real.realWritten / real.modelWritten - 1);
  return {
    name: 'policies',
    tables: [...names.map((name) => tableOf(name, results)), realTable(real)],
    budgets: [
      {
        what: 'write amplification, model against real bytes',
        aim: 'within 10 %',
        found: `${(100 * apart).toFixed(1)} %`,
        met: apart < 0.1,
      },
    ],
    plots: {},
    data: { results, real },
  };
}

function tableOf(load: string, results: readonly PolicyResult[]): Table {
  return {
    title: `Compaction: ${load}`,
    columns: [
      'policy',
      ...['written ÷ folded', 'read ÷ folded', 'space', 'at most', 'SSTs', 'largest reads, MiB', 'GETs a fold'],
      ...['SSTs a point read', 'blocks', 'SSTs a closing scan', 'read ÷ rows'],
    ],
    rows: results
      .filter((result) => result.load === load)
      .map((r) => [
        ...[r.policy, r.written, r.read, r.space, r.mostSpace, r.mostSsts, r.largestMib, r.gets],
        ...[r.ssts, r.blocks, r.scanSsts, r.scanRead],
      ]),
  };
}

function realTable(real: Awaited<ReturnType<typeof checkAgainstReal>>): Table {
  return {
    title: 'The model against real folds and compactions',
    columns: ['', 'written ÷ folded', 'SSTs at the end'],
    rows: [
      ['real bytes', real.realWritten, real.realSsts],
      ['the model', real.modelWritten, real.modelSsts],
    ],
  };
}
