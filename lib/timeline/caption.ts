/** What the picture says in words: a run's name, its figures, and how several runs compare. */
import { formatMs } from './draw.ts';
import { escapeHtml } from './escape.ts';
import type { RunTrace } from './read-trace.ts';
import type { RunStatistics } from './statistics.ts';

export function runTitle({ info }: RunTrace): string {
  return info.commit === undefined ? 'run' : `${info.commit} commit`;
}

/** The figures beside a run's name. */
export function tiles(s: RunStatistics): { name: string; value: string }[] {
  if (s.batches === 0) return [];
  return [
    { name: 'total', value: formatMs(s.totalMs) },
    { name: 'batches', value: s.batches.toLocaleString('en') },
    ...(s.rows === 0
      ? []
      : [{ name: 'rows/s', value: Math.round((s.rows / s.publishedMs) * 1000).toLocaleString('en') }]),
    { name: 'batch to publish p50', value: formatMs(s.batchMs.p50) },
    { name: 'p99', value: formatMs(s.batchMs.p99) },
    ...(s.commitMs === 0 ? [] : [{ name: 'commit work beside later batches', value: percent(s.besideShare) }]),
  ];
}

/** One line, for the terminal. */
export function captionLine(s: RunStatistics): string {
  if (s.batches === 0) return 'no batch was recorded';
  const { memory, lmdb, warm, store } = s.reads;
  const reads = memory + lmdb + warm + store;
  return [
    `${formatMs(s.totalMs)} in all, ${s.batches.toLocaleString('en')} batches, ${s.rows.toLocaleString('en')} rows`,
    `batch to publish p50 ${formatMs(s.batchMs.p50)}, p99 ${formatMs(s.batchMs.p99)}`,
    ...(s.commitMs === 0
      ? []
      : [`${percent(s.besideShare)} of ${formatMs(s.commitMs)} commit work beside later batches`]),
    ...(reads === 0
      ? []
      : [
          `reads ${percent(memory / reads)} memory, ${percent(lmdb / reads)} LMDB, ${percent(warm / reads)} warm pack, ${percent(store / reads)} object store`,
        ]),
  ].join('; ');
}

/** The story in a sentence, as HTML. Runs are compared only where they did the same work. */
export function headline(runs: readonly { title: string; statistics: RunStatistics }[]): string {
  const [fast, slow] = [...runs].sort((a, b) => a.statistics.publishedMs - b.statistics.publishedMs);
  if (fast === undefined || fast.statistics.batches === 0) return 'No batch was recorded.';
  const s = fast.statistics;
  const same = slow !== undefined && s.rows === slow.statistics.rows && s.batches === slow.statistics.batches;
  if (!same || runs.length !== 2) {
    if (runs.length > 1) return 'The runs did not do the same work: compare how they go, not how long they take.';
    const beside =
      s.commitMs === 0 ? '' : ` <b>${percent(s.besideShare)}</b> of the commit work ran beside later batches.`;
    return `A batch is published <b>${formatMs(s.batchMs.p50)}</b> after it starts (p99 ${formatMs(s.batchMs.p99)}).${beside}`;
  }
  const times = (slow.statistics.publishedMs / s.publishedMs).toFixed(2);
  return `The same ${s.batches.toLocaleString('en')} batches: <b>${times}×</b> the throughput with ${escapeHtml(fast.title)}; a batch is published after <b>${formatMs(s.batchMs.p50)}</b> in place of ${formatMs(slow.statistics.batchMs.p50)} (p99 <b>${formatMs(s.batchMs.p99)}</b> in place of ${formatMs(slow.statistics.batchMs.p99)}).`;
}

function percent(share: number): string {
  const value = share * 100;
  return `${value > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} %`;
}
