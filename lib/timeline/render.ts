/**
 * Traces → one HTML page that needs nothing else: no network, and for its first view no JavaScript. The runs stand above
 * each other on one axis, each from its own beginning, so that the same place is the same time since the start in all.
 * Everything from a trace is escaped; a content security policy forbids the page to load anything.
 */

import { greatest, smallest } from '../util/numbers.ts';
import { captionLine, headline, runTitle, tiles } from './caption.ts';
import { axisMarkup, formatMs, numberLabels, spanPath, type Times, type View } from './draw.ts';
import { escapeHtml } from './escape.ts';
import { type Interval, union } from './intervals.ts';
import { layoutRun, type RunLayout, rowUnitPx } from './layout.ts';
import { encodePageData } from './page-data.ts';
import { SCRIPT } from './page-script.ts';
import { STYLE } from './page-style.ts';
import type { RunTrace } from './read-trace.ts';
import { batchTimes, type RunStatistics, runStatistics } from './statistics.ts';

/** px */
const LEFT = 164;
const RIGHT = 28;
const STATIC_WIDTH = 1318;
/** Batches in the first view. */
const FIRST_BATCHES = 36;
const OVERVIEW_WIDTH = 1000;
const OVERVIEW_RUN_PX = 26;

export interface TimelineRun {
  readonly trace: RunTrace;
  /** Where it is from, to tell runs apart. */
  readonly from?: string | undefined;
}

interface Picture {
  readonly trace: RunTrace;
  readonly title: string;
  readonly from: string | undefined;
  readonly statistics: RunStatistics;
  readonly layout: RunLayout;
  /** Start of the first span, ms: 0 on the axis. */
  readonly originMs: number;
}

export interface Timeline {
  readonly html: string;
  /** A line for each run. */
  readonly captions: readonly string[];
}

export function renderTimeline(job: string, runs: readonly TimelineRun[]): Timeline {
  const unitPx = rowUnitPx(runs.map(({ trace }) => trace.spans));
  const pictures = runs.map(
    ({ trace, from }): Picture => ({
      trace,
      title: runTitle(trace),
      from,
      statistics: runStatistics(trace.spans),
      layout: layoutRun(trace.spans, unitPx),
      originMs: trace.spans.reduce((least, { startMs }) => Math.min(least, startMs), trace.spans[0]?.startMs ?? 0),
    }),
  );
  const allMs =
    greatest(
      pictures.map(({ statistics }) => statistics.totalMs),
      1,
    ) * 1.004;
  const view: View = { fromMs: 0, toMs: firstViewMs(pictures, allMs), left: LEFT, width: STATIC_WIDTH - LEFT - RIGHT };
  const page = {
    left: LEFT,
    right: RIGHT,
    fromMs: 0,
    toMs: view.toMs,
    allMs,
    origins: pictures.map((p) => p.originMs),
  };
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>${escapeHtml(job)}: timeline</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<header>
<h1>${escapeHtml(job)} <span>timeline</span></h1>
<div class="tools"><output></output><button data-act="out" aria-label="Zoom out">−</button><button data-act="in" aria-label="Zoom in">+</button><button data-act="start">first batches</button><button data-act="all">whole run</button></div>
<p class="headline">${headline(pictures)}</p>
</header>
${legend(pictures)}
<p class="reading">Dark blue on an orange band: batches compute while the commit side folds or compacts. Only pale blue on the band: the batch waits for it.</p>
${overviewMarkup(pictures, view, allMs)}
${pictures.map((picture) => runMarkup(picture, view)).join('\n')}
<footer>Each run starts at 0; all have the same scale. Zoomed out, the height of a bar is the share of the time that was busy. Drag to move, double-click or shift + wheel to zoom, drag across the strip above to choose a range; with the keyboard: arrows, + and −, 0 for the whole run.</footer>
</main>
<div id="tip" role="status"></div>
<script type="application/json" id="page">${JSON.stringify(page)}</script>
<script type="text/plain" id="data">${encodePageData(pictures.map((picture) => picture.layout.layers))}</script>
<script>${SCRIPT}</script>
</body>
</html>
`;
  return { html, captions: pictures.map((p) => `${p.title}: ${captionLine(p.statistics)}`) };
}

/** The first batches of the run that gets through most of them; everything where that is not much more. */
function firstViewMs(pictures: readonly Picture[], allMs: number): number {
  const ends = pictures.flatMap(({ trace, originMs }) => {
    const numbers = new Set<number>();
    for (const { n, endMs } of batchTimes(trace.spans)) {
      numbers.add(n);
      if (numbers.size > FIRST_BATCHES) return [endMs - originMs];
    }
    return [];
  });
  const endMs = ends.length === 0 ? allMs : smallest(ends);
  return allMs <= endMs * 1.6 ? allMs : endMs;
}

function timesOf(layer: { readonly items: readonly Interval[] }, originMs: number): Times {
  return {
    starts: layer.items.map(({ startMs }) => startMs - originMs),
    ends: layer.items.map(({ endMs }) => endMs - originMs),
  };
}

function runMarkup({ trace, title, from, statistics, layout, originMs }: Picture, view: View): string {
  const { layers, height } = layout;
  const paths = layers.map((layer) => {
    const times = timesOf(layer, originMs);
    const d = layer.tone === 'numbers' ? '' : spanPath(times, view, layer.y, layer.height, layer.tone === 'shade');
    return `<path data-layer class="t-${escapeHtml(layer.tone)}" d="${d}"/>`;
  });
  const numbers = layers.map((layer) => {
    if (layer.tone !== 'numbers') return '';
    return numberLabels(
      timesOf(layer, originMs),
      layer.items.map(({ n }) => n),
      view,
      layer.y,
    );
  });
  const groups = layout.groupLabels.map(
    ({ text, y }) => `<text class="group" x="0" y="${y + 4}">${escapeHtml(text)}</text>`,
  );
  const rows = layout.rowLabels.map(({ text, y }) => {
    return `<text class="row" x="${LEFT - 10}" y="${y + 3.5}">${escapeHtml(text)}</text>`;
  });
  const started = new Date(trace.startedAtMs).toISOString().slice(0, 16).replace('T', ' ');
  const facts = [
    from,
    `${started} UTC`,
    ...Object.entries(trace.info)
      .filter(([key]) => key !== 'commit')
      .map(([key, value]) => `${key} ${value}`),
  ];
  const about = facts
    .filter((fact) => fact !== undefined)
    .map(escapeHtml)
    .join(' · ');
  const notes = [
    ...(trace.spans.length === 0 ? ['Nothing was recorded in this run.'] : []),
    ...(trace.gaps > 0 ? [`${trace.gaps} parts of this trace are gone: a run keeps its last 200,000 spans.`] : []),
  ];
  return `<section class="run">
<div class="run-head"><h2>${escapeHtml(title)}<small>${about}</small></h2>
<dl>${tiles(statistics)
    .map(({ name, value }) => `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`)
    .join('')}</dl></div>
${notes.map((note) => `<p class="note">${escapeHtml(note)}</p>`).join('\n')}
<svg viewBox="0 0 ${STATIC_WIDTH} ${height + 22}" data-height="${height}" tabindex="0" role="img" aria-label="${escapeHtml(`${title}: ${captionLine(statistics)}`)}">
<g class="axis">${axisMarkup(view, height)}</g>
${groups.join('')}${rows.join('')}
${paths.join('\n')}
<g class="numbers">${numbers.join('')}</g>
<path class="cursor"/><path class="mark"/>
</svg>
</section>`;
}

/** All of all runs, small: blue for batches, orange for commit work. */
function overviewMarkup(pictures: readonly Picture[], view: View, allMs: number): string {
  const whole: View = { fromMs: 0, toMs: allMs, left: 0, width: OVERVIEW_WIDTH };
  const strip = (picture: Picture, lanes: readonly string[], y: number, heightPx: number): string => {
    const items = union(picture.trace.spans.filter((span) => lanes.includes(span.lane) && span.path !== 'planner'));
    const times = timesOf({ items }, picture.originMs);
    return `<path class="t-${lanes[0]}" d="${spanPath(times, whole, y, heightPx, false)}"/>`;
  };
  const bars = pictures.map((picture, i) => {
    const y = i * OVERVIEW_RUN_PX + 5;
    return strip(picture, ['batch'], y, 9) + strip(picture, ['fold', 'compact'], y + 10, 6);
  });
  const height = pictures.length * OVERVIEW_RUN_PX;
  const brushWidth = (view.toMs / allMs) * OVERVIEW_WIDTH;
  const names = pictures.map((p) => `<div><b>${escapeHtml(p.title)}</b> ${formatMs(p.statistics.totalMs)}</div>`);
  return `<section class="overview"><div class="names">${names.join('')}</div>
<svg viewBox="0 0 ${OVERVIEW_WIDTH} ${height}" preserveAspectRatio="none" height="${height}" aria-label="All of the time">${bars.join('')}<rect class="brush" x="0" y="0" width="${brushWidth.toFixed(2)}" height="${height}"/></svg>
<div class="ends"><span>0</span><span>${formatMs(allMs)}</span></div></section>`;
}

const LEGEND: readonly (readonly [tone: string, lanes: readonly string[], text: string])[] = [
  ['ingest', ['ingest'], 'read and decode'],
  ['plan', ['plan'], 'plan'],
  ['batch', ['batch'], 'batch computes'],
  ['open', ['batch'], 'until it is published'],
  ['log', ['log'], 'log PUT (commit point)'],
  ['publish', ['publish'], 'publish'],
  ['wait', ['wait'], 'batch held back'],
  ['fold', ['fold'], 'fold'],
  ['compact', ['compact'], 'compaction'],
  ['shade', ['fold', 'compact'], 'band: commit work under way'],
  ['preload', ['preload'], 'preload'],
  ['gc', ['gc'], 'GC'],
];

function legend(pictures: readonly Picture[]): string {
  const known = new Set(pictures.flatMap(({ trace }) => trace.spans.map((span) => span.lane as string)));
  const entries = LEGEND.filter(([, lanes]) => lanes.some((lane) => known.has(lane)));
  return `<ul class="legend">${entries.map(([tone, , text]) => `<li><i class="t-${tone} ${tone}"></i>${text}</li>`).join('')}</ul>`;
}
