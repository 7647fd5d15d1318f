/** The process that {@link inChild} starts: runs one task and sends its result home. */
import { measureBatches } from './batch-run.ts';
import { measureCommit } from './commit-run.ts';
import { benchCompaction } from './compaction.ts';
import { measureGroup } from './groups-run.ts';
import { measurePrice } from './large-state-prices.ts';
import { measureLarge } from './large-state-run.ts';
import { peakMb } from './measure.ts';
import { measureMemory } from './memory-run.ts';
import { measureNexmark } from './nexmark-run.ts';
import { measureSmall } from './small-run.ts';
import { benchSst } from './sst.ts';
import { benchMatrix } from './sst-matrix.ts';
import { measureState } from './state.ts';

const TASKS: Readonly<Record<string, (args: never) => Promise<unknown>>> = {
  batch: measureBatches,
  commit: measureCommit,
  group: measureGroup,
  memory: measureMemory,
  nexmark: measureNexmark,
  small: measureSmall,
  state: measureState,
  sst: benchSst,
  sstMatrix: benchMatrix,
  compaction: benchCompaction,
  largeState: measureLarge,
  price: measurePrice,
};

const [, , name = '', args = 'null'] = process.argv;
const task = TASKS[name];
if (task === undefined) throw new Error(`no task ${name}`);
const value = await task(JSON.parse(args) as never);
process.send?.({ value, peakMb: peakMb() }, () => process.disconnect());
