/** The end of a run, for people: what became of every row, how fast, and where results and state are. */
import path from 'node:path';
import type { RunSummary, TierReads } from '../../lib/embedded/run-events.ts';
import { count, milliseconds, number, percent, type Style, time } from '../text.ts';
import type { Places } from './presenter.ts';
import { type RunStats, TIERS } from './run-stats.ts';

const SHOWN_FILES = 2;

export function summaryText(end: RunSummary, stats: RunStats, elapsedMs: number, places: Places, style: Style): string {
  const { bold, dim, bad } = style;
  const lines: [string, string][] = [];
  if (stats.rows === 0) {
    lines.push(['rows', end.position === 0 ? 'the input has none' : 'none new; the input was read before']);
  } else {
    lines.push(['rows', `${number(stats.rows)} read ${dim('=')} ${fates(stats, style)}`]);
    const rate = (stats.rows * 1000) / Math.max(1, elapsedMs);
    lines.push(['speed', `${number(rate)} rows/s over ${milliseconds(elapsedMs)}`]);
    const quantiles = `p50 ${milliseconds(stats.quantileMs(0.5))} · p99 ${milliseconds(stats.quantileMs(0.99))} · max ${milliseconds(stats.maxMs)}`;
    lines.push(['batches', `${number(stats.batches)}, each ${quantiles}`]);
    lines.push(['commit lag', `at most ${count(stats.commitLagMax, 'batch', 'batches')}`]);
    if (stats.allReads > 0) lines.push(['reads', readShares(stats)]);
    if (stats.reads.preloaded !== undefined) lines.push(['preloaded', preloadedText(stats.reads)]);
    lines.push(['watermark', time(stats.watermark)]);
  }
  lines.push(['results', results(end, stats, places)]);
  if (stats.quarantined > 0) lines.push(['bad rows', quarantineText(end, stats, places)]);
  for (const warning of end.warnings) lines.push(['warning', bad(warning)]);
  lines.push(['state', `${places.store} ${dim(`job ${end.job}, batch ${end.position}`)}`]);
  const title =
    end.reason === 'stopped'
      ? `${end.job}: stopped after batch ${end.position}; run again to go on`
      : `${end.job}: all input is read`;
  return `${bold(title)}\n${lines.map(([name, text]) => `  ${dim(name.padEnd(11))} ${text}\n`).join('')}`;
}

function fates(stats: RunStats, { good, bad }: Style): string {
  const quarantined = `${number(stats.quarantined)} quarantined`;
  return [
    good(`${number(stats.applied)} applied`),
    `${number(stats.late)} late`,
    `${number(stats.skipped)} skipped`,
    stats.quarantined > 0 ? bad(quarantined) : quarantined,
  ].join(' + ');
}

/** `memory 99.2 % · local disk 0.8 %`: the tiers that answered. */
export function readShares(stats: RunStats, all = false): string {
  const shown = TIERS.filter(({ tier }) => all || stats.reads[tier] > 0);
  return shown.map(({ tier, title }) => `${title} ${percent(stats.reads[tier], stats.allReads)}`).join(' · ');
}

/** `12,000 rows, 98 % used; 95 % of those read from below memory`: what was brought near ahead of its batch, and what it spared. */
function preloadedText({ preloaded, lmdb, warm, store }: TierReads): string {
  const { rows, used } = preloaded!;
  const below = used + lmdb + warm + store;
  return `${count(rows, 'row')}, ${percent(used, rows)} used; ${percent(used, below)} of the rows from below memory`;
}

function results(end: RunSummary, stats: RunStats, { store, output }: Places): string {
  const rows = count(stats.emitted, 'row');
  if (output === '-') return `${rows} to standard output`;
  if (output === undefined) return `${rows}, in ${store} only (--output DIR copies them)`;
  const files = end.files.filter((file) => !isQuarantine(file, output));
  if (files.length === 0) return `${rows} in ${output}: no new files`;
  // A directory that is new, or behind, gets what earlier runs have given.
  const what = stats.rows === 0 && stats.emitted === 0 ? 'of earlier batches, copied to' : `${rows} in`;
  return `${what} ${count(files.length, 'file')}: ${patterns(files)}`;
}

/** A few files by name; many as patterns that a shell understands: `results/{hourly,late}-*.ndjson`, `results/late/*.csv`. */
function patterns(files: readonly string[]): string {
  if (files.length <= SHOWN_FILES) return files.map(shortPath).join(', ');
  const flat = files.map((file) => FLAT.exec(path.basename(file))?.[1]);
  if (flat.every((output) => output !== undefined)) {
    const outputs = [...new Set(flat)];
    const which = outputs.length === 1 ? outputs[0] : `{${outputs.join(',')}}`;
    return path.join(shortPath(path.dirname(files[0]!)), `${which}-*.ndjson`);
  }
  const folders = groupBy(files, path.dirname);
  return [...folders]
    .map(([folder, own]) => shortPath(own.length === 1 ? own[0]! : path.join(folder, `*${path.extname(own[0]!)}`)))
    .join(', ');
}

function groupBy(files: readonly string[], of: (file: string) => string): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const file of files) groups.set(of(file), [...(groups.get(of(file)) ?? []), file]);
  return groups;
}

/** A file of the flat layout. */
const FLAT = /^(.+?)(?:-\d{8,})?-p\d+\.ndjson$/;

function shortPath(file: string): string {
  const relative = path.relative('', file);
  return relative === '' || relative.startsWith('..') ? file : relative;
}

/** How many rows were set aside, and where they are with their reasons. */
export function quarantineText(end: RunSummary, stats: RunStats, { store, output }: Places): string {
  const files = end.files.filter((file) => isQuarantine(file, output));
  const where = files.length > 0 ? patterns(files) : `${store}/${end.job}/e${end.epoch}/out/_quarantine`;
  return `${number(stats.quarantined)} with their reasons in ${where}`;
}

function isQuarantine(file: string, directory = ''): boolean {
  return /^quarantine(\.s\d+)?[-/\\]/.test(path.relative(directory, file));
}
