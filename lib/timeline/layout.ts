/**
 * Where everything goes, as plain data: groups (planner, partitions) of rows, rows of layers, layers of items. Vertical
 * places are final; time becomes pixels only when a view is chosen. In one layer items are sorted and never overlap:
 * what is under way at the same time in one lane is packed into further layers, below each other, so a look-up by time
 * is a binary search and nothing is hidden.
 */
import { PLANNER } from '../object-store/names.ts';
import { pushAll } from '../util/numbers.ts';
import type { Lane, Span } from '../util/trace.ts';
import { type Interval, union } from './intervals.ts';
import { batchTimes, groupByPath } from './statistics.ts';

/**
 * What a layer shows: a lane, `open` (a batch until it is published), `shade` (commit work behind the rows), or `numbers`
 * (no bars, but the batches' numbers above the row; an item lasts until the next batch begins).
 */
export type Tone = Lane | 'open' | 'shade' | 'numbers';

export interface Item extends Interval {
  readonly n: number;
  readonly detail?: Span['detail'];
}

export interface Layer {
  readonly tone: Tone;
  /** Partition, as in the picture. */
  readonly group: string;
  /** px, from the top of the run's picture. */
  readonly y: number;
  readonly height: number;
  readonly items: readonly Item[];
}

/** A name in the margin. */
export interface Label {
  readonly text: string;
  /** px, its middle. */
  readonly y: number;
}

export interface RunLayout {
  readonly groupLabels: readonly Label[];
  readonly rowLabels: readonly Label[];
  /** From back to front. */
  readonly layers: readonly Layer[];
  readonly height: number;
}

interface RowKind {
  readonly label: string;
  readonly lanes: readonly Lane[];
  /** Height, relative. */
  readonly weight: number;
}

const PARTITION_ROWS: readonly RowKind[] = [
  { label: 'batch', lanes: ['batch', 'wait', 'ingest'], weight: 1.35 },
  { label: 'log PUT, publish', lanes: ['log', 'publish'], weight: 0.7 },
  { label: 'fold', lanes: ['fold'], weight: 1 },
  { label: 'compaction', lanes: ['compact'], weight: 1 },
  { label: 'preload', lanes: ['preload'], weight: 0.7 },
  { label: 'GC', lanes: ['gc'], weight: 0.5 },
];

const PLANNER_ROWS: readonly RowKind[] = [
  { label: 'ingest, plan', lanes: ['ingest', 'plan', 'batch', 'log', 'publish', 'wait'], weight: 0.8 },
  { label: 'commit', lanes: ['fold', 'compact', 'gc', 'preload'], weight: 0.7 },
];

/** Rows narrower than this get no name. */
const LABELLED_PX = 11;
/** Between groups, with room for batch numbers. */
const NUMBERS_PX = 18;
/** Space for the rows of all runs before they are made narrower. */
const ROOM_PX = 520;
const MIN_UNIT_PX = 5;
const MAX_UNIT_PX = 15;

/** Height of a row of weight 1, the same in all runs, so that they can be compared. */
export function rowUnitPx(runs: readonly (readonly Span[])[]): number {
  const weights = runs.map((spans) => [...groupByPath(spans)].flatMap(([path, own]) => rowsOf(path, spans, own)));
  const weight = weights.flat().reduce((sum, kind) => sum + kind.weight + 0.15, 0);
  return Math.min(MAX_UNIT_PX, Math.max(MIN_UNIT_PX, Math.floor(ROOM_PX / Math.max(1, weight))));
}

export function layoutRun(spans: readonly Span[], unitPx: number): RunLayout {
  const groupLabels: Label[] = [];
  const rowLabels: Label[] = [];
  const layers: Layer[] = [];
  const groups = groupByPath(spans);
  let numbersPx = NUMBERS_PX;
  const manyStages = [...groups.keys()].some((path) => /^s[1-9]/.test(path));
  let height = 40;
  const gapPx = unitPx >= 10 ? 2 : 1;
  let y = groups.has(PLANNER) ? 6 : 18;
  for (const path of [...groups.keys()].sort(comparePaths)) {
    const own = groups.get(path)!;
    const group = groupName(path, manyStages);
    const topPx = y;
    const rowLayers: Layer[] = [];
    for (const kind of rowsOf(path, spans, own)) {
      const rowPx = Math.max(3, Math.round(kind.weight * unitPx));
      const placed = placeRow(kind, own, { group, y, height: rowPx });
      pushAll(rowLayers, placed.layers);
      if (unitPx >= LABELLED_PX) rowLabels.push({ text: kind.label, y: y + placed.height / 2 });
      y += placed.height + gapPx;
    }
    y -= gapPx;
    // Commit work is shown behind all rows of its partition: where it crosses a batch, both ran at once.
    const commit = union(own.filter((span) => span.lane === 'fold' || span.lane === 'compact'));
    if (path !== PLANNER && commit.length > 0) {
      const items = commit.map((interval) => ({ ...interval, n: 0 }));
      layers.push({ tone: 'shade', group, y: topPx - 3, height: y - topPx + 6, items });
    }
    pushAll(layers, rowLayers);
    if (path !== PLANNER && numbersPx > 0)
      layers.push({ tone: 'numbers', group, y: topPx, height: 0, items: numberItems(own) });
    groupLabels.push({ text: group, y: topPx + Math.max(5, Math.min(unitPx * 0.7, (y - topPx) / 2)) });
    // Narrow rows: the numbers of one partition stand for all.
    if (path !== PLANNER && unitPx < LABELLED_PX) numbersPx = 0;
    height = y + 6;
    y += Math.max(numbersPx, unitPx + 1);
  }
  return { groupLabels, rowLabels, layers, height };
}

/** Rows that a partition gets: those of which anything is known in this run, so that all partitions look the same. */
function rowsOf(path: string, all: readonly Span[], own: readonly Span[]): RowKind[] {
  const [kinds, alike] =
    path === PLANNER ? [PLANNER_ROWS, own] : [PARTITION_ROWS, all.filter((span) => span.path !== PLANNER)];
  const known = new Set(alike.map((span) => span.lane));
  const rows = kinds.filter((kind) => kind.lanes.some((lane) => known.has(lane)));
  const other = [...known].filter((lane) => !kinds.some((kind) => kind.lanes.includes(lane)));
  return other.length === 0 ? rows : [...rows, { label: 'other', lanes: other, weight: 0.5 }];
}

/** The row's layers and its height: `row.height`, more where much runs at once. */
function placeRow(kind: RowKind, own: readonly Span[], row: Pick<Layer, 'group' | 'y' | 'height'>) {
  const spans = own.filter((span) => kind.lanes.includes(span.lane));
  const open = kind.label === 'batch' ? batchTimes(own) : [];
  const endOf = new Map(open.map(({ n, endMs }) => [n, endMs]));
  // A batch holds its place until it is published.
  const holds = (span: Span): number =>
    span.lane === 'batch' ? Math.max(span.endMs, endOf.get(span.n) ?? 0) : span.endMs;
  const tracks = packTracks(spans.map((span) => ({ span, startMs: span.startMs, endMs: holds(span) })));
  const trackPx = tracks.length > 1 ? Math.max(3, row.height * 0.62) : row.height;
  const layers: Layer[] = [];
  for (const [i, track] of tracks.entries()) {
    const place = { group: row.group, y: row.y + i * trackPx, height: trackPx - (tracks.length > 1 ? 0.5 : 0) };
    const held = track.filter(({ span, endMs }) => span.lane === 'batch' && endMs > span.endMs);
    if (held.length > 0) {
      const items = held.map(({ span, startMs, endMs }) => ({ n: span.n, startMs, endMs }));
      layers.push({ ...place, tone: 'open', items });
    }
    for (const lane of kind.lanes) {
      const items = track.filter(({ span }) => span.lane === lane).map(({ span }) => itemOf(span));
      if (items.length > 0) layers.push({ ...place, tone: lane, items });
    }
  }
  return { layers, height: Math.max(row.height, trackPx * tracks.length) };
}

function numberItems(own: readonly Span[]): Item[] {
  const times = batchTimes(own);
  return times.map(({ n, startMs, endMs }, i) => {
    return { n, startMs, endMs: Math.max(startMs, Math.min(endMs, times[i + 1]?.startMs ?? endMs)) };
  });
}

function itemOf({ startMs, endMs, n, detail }: Span): Item {
  return { startMs, endMs, n, detail };
}

/** Spreads intervals over as few tracks as their overlaps need (first fit by start); a track is sorted and disjoint. */
export function packTracks<T extends Interval>(intervals: readonly T[]): T[][] {
  const tracks: T[][] = [];
  for (const interval of [...intervals].sort((a, b) => a.startMs - b.startMs || a.endMs - b.endMs)) {
    const free = tracks.find((track) => track.at(-1)!.endMs <= interval.startMs);
    if (free === undefined) tracks.push([interval]);
    else free.push(interval);
  }
  return tracks;
}

/** Planner first, then by stage and partition as numbers. */
function comparePaths(a: string, b: string): number {
  if (a === PLANNER || b === PLANNER) return a === b ? 0 : a === PLANNER ? -1 : 1;
  return a.localeCompare(b, 'en', { numeric: true });
}

function groupName(path: string, manyStages: boolean): string {
  const [, stage, partition] = /^s(\d+)\/p(\d+)$/.exec(path) ?? [];
  if (stage === undefined) return path;
  return manyStages ? `stage ${stage} · p${partition}` : `partition ${partition}`;
}
