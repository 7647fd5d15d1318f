/** The process that {@link inChild} starts: runs one task and sends its result home. */
import { measureBatches } from './batch-run.ts';
import { measureCommit } from './commit-run.ts';
import { measureMemory } from './memory-run.ts';

const TASKS: Readonly<Record<string, (args: never) => Promise<unknown>>> = {
  batch: measureBatches,
  commit: measureCommit,
  memory: measureMemory,
};

const [, , name = '', args = 'null'] = process.argv;
const task = TASKS[name];
if (task === undefined) throw new Error(`no task ${name}`);
const value = await task(JSON.parse(args) as never);
// Linux counts in KiB.
const peakMb = (process.resourceUsage().maxRSS * 1024) / 1e6;
process.send?.({ value, peakMb }, () => process.disconnect());
