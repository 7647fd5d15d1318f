/** `batch`: the 20,000-event batch of the budgets, by steps, beside programs written for that job alone. */
import type { BatchArgs, BatchResult, Steps } from './batch-run.ts';
import { inChild } from './child.ts';
import { median, percentile } from './measure.ts';
import type { BenchOptions } from './options.ts';
import { type Bar, stackedBars } from './plot.ts';
import type { Finding, Table } from './report.ts';

const COMPUTE_MS = 60;
const MOST_TAIL = 1.3;
/** Steps that lie one after the other; the others are sums, or parts of these. */
const SERIAL = ['decode and head', 'operators', 'encode changes', 'log entry durable', 'apply', 'published'];

export async function benchBatch({ quick }: BenchOptions): Promise<Finding> {
  const size = quick
    ? { keys: 200_000, rows: 20_000, batches: 15, warmUp: 3 }
    : { keys: 1_000_000, rows: 20_000, batches: 60, warmUp: 10 };
  const run = async (form: BatchArgs['form'], declared = false): Promise<BatchResult> =>
    (await inChild<BatchResult>('batch', { form, declared, ...size })).value;
  const append = await run('append');
  const fields = await run('append', true);
  const update = await run('update');
  const compute = p50(append.engine, 'compute');
  const serial = p50(append.engine, 'log entry durable') + p50(append.engine, 'published');
  const tail = percentile(append.engine['total']!, 99) / (compute + serial);
  return {
    name: 'batch',
    tables: [
      stepsTable(`Misa, append: batch of ${size.rows} events, ${size.keys} keys; ms`, append.engine),
      stepsTable('The same with declared fields (three of eight); ms', fields.engine),
      stepsTable('Misa, update: each changed key is published; ms', update.engine),
      stepsTable('Plain loop with rows in a Map; ms', append.map),
      stepsTable('Byte scanner with typed arrays; ms', append.scanner),
      ratiosTable({ append, fields, update }),
    ],
    budgets: [
      {
        what: 'batch, compute p50',
        aim: `≤ ${COMPUTE_MS} ms`,
        found: `${compute.toFixed(0)} ms`,
        met: compute <= COMPUTE_MS,
      },
      {
        what: 'batch, p99 / (compute + serial requests)',
        aim: `≤ ${MOST_TAIL}`,
        found: tail.toFixed(2),
        met: tail <= MOST_TAIL,
      },
    ],
    plots: {
      'batch.svg': stackedBars(
        'Where the time of a batch of 20,000 events goes (p50)',
        'ms',
        barsOf({ append, fields, update }),
      ),
    },
    data: { size, append, fields, update },
  };
}

interface Forms {
  readonly append: BatchResult;
  /** With declared fields. */
  readonly fields: BatchResult;
  readonly update: BatchResult;
}

function p50(steps: Steps, step: string): number {
  return median(steps[step]!);
}

function ratiosTable({ append, fields }: Forms): Table {
  const ratio = (step: string, over: Steps, under: Steps): number => p50(over, step) / p50(under, step);
  return {
    title: 'Ratios of this run (p50)',
    columns: ['what', 'ratio'],
    rows: [
      ['Misa compute / plain loop compute', ratio('compute', append.engine, append.map)],
      ['Misa compute, declared fields / plain loop compute', ratio('compute', fields.engine, fields.map)],
      ['Misa compute, declared fields / byte scanner compute', ratio('compute', fields.engine, fields.scanner)],
      ['Decoding alone, declared fields / without', ratio('decode alone', fields.engine, append.engine)],
      ['Misa total / plain loop total', ratio('total', append.engine, append.map)],
      [
        'Misa / plain loop, time of the main thread on a processor',
        ratio('on the processor', append.engine, append.map),
      ],
      ['Misa compute / byte scanner compute', ratio('compute', append.engine, append.scanner)],
    ],
  };
}

function barsOf({ append, fields, update }: Forms): Bar[] {
  const bar = (name: string, { engine }: BatchResult): Bar => ({
    name,
    parts: Object.fromEntries(SERIAL.filter((step) => step in engine).map((step) => [step, p50(engine, step)])),
    note: `${p50(engine, 'total').toFixed(0)} ms`,
  });
  return [
    bar('Misa, append', append),
    bar('Misa, append, declared fields', fields),
    bar('Misa, update', update),
    {
      name: 'plain loop, Map',
      parts: renamed(append.map, {
        decode: 'decode and head',
        aggregate: 'operators',
        encode: 'encode changes',
        durable: 'log entry durable',
        apply: 'apply',
      }),
      note: `${p50(append.map, 'total').toFixed(0)} ms`,
    },
    {
      name: 'byte scanner',
      parts: renamed(append.scanner, {
        'scan and aggregate': 'operators',
        encode: 'encode changes',
        durable: 'log entry durable',
      }),
      note: `${p50(append.scanner, 'total').toFixed(0)} ms`,
    },
  ];
}

function renamed(steps: Steps, names: Readonly<Record<string, string>>): Record<string, number> {
  return Object.fromEntries(Object.entries(names).map(([from, to]) => [to, median(steps[from]!)]));
}

function stepsTable(title: string, steps: Steps): Table {
  return {
    title,
    columns: ['step', 'p50', 'p90', 'p99'],
    rows: Object.entries(steps).map(([step, ms]) => [step, percentile(ms, 50), percentile(ms, 90), percentile(ms, 99)]),
  };
}
