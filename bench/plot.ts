/**
 * The few kinds of plots that the benchmarks draw, as SVG that stands alone. Colours are those of Okabe and Ito, which the
 * colour-blind tell apart; text and lines follow the reader's light or dark scheme. No library: these are rectangles,
 * lines and text, and the report must open without a network.
 */
const COLOURS = ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#56b4e9', '#d55e00', '#8a8a8a', '#b8a500'];

const WIDTH = 760;
const STYLE = `<style>
  text { font: 12px system-ui, sans-serif; fill: #333; } .title { font-size: 15px; font-weight: 600; }
  .soft { fill: #777; } .grid { stroke: #8884; } .axis { stroke: #888; } .end { text-anchor: end; } .mid { text-anchor: middle; }
  @media (prefers-color-scheme: dark) { text { fill: #ddd; } .soft { fill: #999; } }
</style>`;

export interface Bar {
  readonly name: string;
  /** Stacked from the left, in order; the same part has the same colour in every bar. */
  readonly parts: Readonly<Record<string, number>>;
  /** Behind the bar, in place of its sum. */
  readonly note?: string;
}

export function stackedBars(title: string, unit: string, bars: readonly Bar[]): string {
  const left = 150;
  const right = 90;
  const names = [...new Set(bars.flatMap((bar) => Object.keys(bar.parts)))];
  const sumOf = (bar: Bar): number => Object.values(bar.parts).reduce((sum, value) => sum + value, 0);
  const scale = axis(0, Math.max(...bars.map(sumOf)), left, WIDTH - right);
  const legendAt = legend(
    names.map((name, i) => ({ name, colour: colour(i) })),
    46,
  );
  const top = legendAt.bottom + 12;
  const bottom = top + bars.length * 34;
  const rows = bars.map((bar, row) => {
    const y = top + row * 34;
    let from = 0;
    const parts = names.map((name, i) => {
      const value = bar.parts[name] ?? 0;
      const x = scale.at(from);
      from += value;
      const shown = `${bar.name}, ${name}: ${show(value)} ${unit}`;
      return rect(x, y + 5, scale.at(from) - x, 22, colour(i), shown);
    });
    const note = text(scale.at(from) + 6, y + 21, bar.note ?? `${show(from)} ${unit}`);
    return text(left - 8, y + 21, bar.name, 'end') + parts.join('') + note;
  });
  const grid = scale.ticks.map(
    (t) => line(scale.at(t), top, scale.at(t), bottom, 'grid') + text(scale.at(t), bottom + 16, show(t), 'mid soft'),
  );
  const label = text(WIDTH - right + 12, bottom + 16, unit, 'soft');
  return svg(title, bottom + 30, legendAt.drawn + grid.join('') + rows.join('') + label);
}

export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface LineOptions {
  readonly x: string;
  readonly y: string;
  /** A horizontal line with a name: a limit. */
  readonly limit?: { readonly at: number; readonly name: string };
  readonly logX?: boolean;
}

export function lines(title: string, series: readonly Series[], { x, y, limit, logX = false }: LineOptions): string {
  const points = series.flatMap((s) => s.points);
  const legendAt = legend(
    series.map(({ name }, i) => ({ name, colour: colour(i) })),
    46,
  );
  const [left, top, bottom] = [56, legendAt.bottom + 26, legendAt.bottom + 266];
  const xs = points.map((p) => p[0]);
  const across = logX
    ? logAxis(Math.min(...xs), Math.max(...xs), left, WIDTH - 24)
    : axis(0, Math.max(...xs), left, WIDTH - 24);
  const up = axis(0, Math.max(limit?.at ?? 0, ...points.map((p) => p[1])), bottom, top);
  const grid = [
    ...up.ticks.map(
      (t) => line(left, up.at(t), WIDTH - 24, up.at(t), 'grid') + text(left - 8, up.at(t) + 4, show(t), 'end soft'),
    ),
    ...across.ticks.map(
      (t) =>
        line(across.at(t), top, across.at(t), bottom, 'grid') + text(across.at(t), bottom + 18, show(t), 'mid soft'),
    ),
  ];
  const paths = series.map(({ points: own }, i) => {
    const d = own.map(([px, py], j) => `${j === 0 ? 'M' : 'L'}${round(across.at(px))} ${round(up.at(py))}`).join('');
    return `<path d="${d}" fill="none" stroke="${colour(i)}" stroke-width="1.8"/>`;
  });
  const bound =
    limit === undefined
      ? ''
      : `<line x1="${left}" x2="${WIDTH - 24}" y1="${up.at(limit.at)}" y2="${up.at(limit.at)}" stroke="#d55e00" stroke-dasharray="5 4"/>` +
        text(WIDTH - 26, up.at(limit.at) - 5, limit.name, 'end');
  const labels = text(left, top - 10, y, 'soft') + text((left + WIDTH) / 2, bottom + 36, x, 'mid soft');
  return svg(title, bottom + 46, legendAt.drawn + grid.join('') + paths.join('') + bound + labels);
}

export interface Lane {
  readonly name: string;
  readonly spans: readonly {
    readonly fromMs: number;
    readonly toMs: number;
    readonly kind: string;
    readonly n: number;
  }[];
}

/** What happened when: a strip a lane, on one axis of time. Spans that overlap within a lane share its height. */
export function strips(title: string, lanes: readonly Lane[], untilMs: number): string {
  const kinds = [...new Set(lanes.flatMap((lane) => lane.spans.map((s) => s.kind)))];
  const left = 150;
  const scale = axis(0, untilMs, left, WIDTH - 24, false);
  const legendAt = legend(
    kinds.map((name, i) => ({ name, colour: colour(i) })),
    46,
  );
  const top = legendAt.bottom + 12;
  const bottom = top + lanes.length * 26;
  const drawn = lanes.map((lane, row) => {
    const y = top + row * 26;
    const rects = lane.spans.map(({ fromMs, toMs, kind, n }) => {
      const from = scale.at(Math.max(0, fromMs));
      const width = Math.max(1, scale.at(Math.min(untilMs, toMs)) - from - 0.5);
      return rect(from, y + 4, width, 18, colour(kinds.indexOf(kind)), `${kind} ${n}: ${show(toMs - fromMs)} ms`);
    });
    return text(left - 8, y + 17, lane.name, 'end') + rects.join('');
  });
  const grid = scale.ticks.map(
    (t) => line(scale.at(t), top, scale.at(t), bottom, 'grid') + text(scale.at(t), bottom + 16, show(t), 'mid soft'),
  );
  return svg(
    title,
    bottom + 42,
    legendAt.drawn + grid.join('') + drawn.join('') + text(WIDTH / 2, bottom + 34, 'ms', 'mid soft'),
  );
}

interface Axis {
  readonly ticks: readonly number[];
  at(value: number): number;
}

/** @param widen to the next tick */
function axis(from: number, to: number, start: number, end: number, widen = true): Axis {
  const rough = Math.max(to - from, 1e-9) / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((m) => m * power >= rough) ?? 10);
  const last = widen ? Math.ceil(to / step) * step : to;
  const ticks: number[] = [];
  for (let t = from; t <= last + step / 1e6; t += step) ticks.push(t);
  return { ticks, at: (value) => start + ((value - from) / (last - from)) * (end - start) };
}

function logAxis(from: number, to: number, start: number, end: number): Axis {
  const [low, high] = [Math.log10(from) - 0.02, Math.log10(to) + 0.02];
  const ticks: number[] = [];
  for (let power = Math.floor(low); power <= high; power++) ticks.push(...[1, 2, 5].map((m) => m * 10 ** power));
  const at = (value: number): number => start + ((Math.log10(value) - low) / (high - low)) * (end - start);
  return { ticks: ticks.filter((t) => at(t) >= start && at(t) <= end), at };
}

function legend(entries: readonly { name: string; colour: string }[], top: number): { drawn: string; bottom: number } {
  let x = 24;
  let y = top;
  const drawn = entries.map(({ name, colour: fill }) => {
    const width = 34 + name.length * 6.9;
    if (x + width > WIDTH - 16) [x, y] = [24, y + 20];
    const at = x;
    x += width;
    return rect(at, y - 10, 12, 12, fill) + text(at + 17, y, name);
  });
  return { drawn: drawn.join(''), bottom: y };
}

function svg(title: string, height: number, body: string): string {
  const size = `viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img">${STYLE}${text(24, 22, title, 'title')}${body}</svg>\n`;
}

function rect(x: number, y: number, width: number, height: number, fill: string, hover?: string): string {
  const tip = hover === undefined ? '' : `<title>${escapeXml(hover)}</title>`;
  return `<rect x="${round(x)}" y="${y}" width="${round(Math.max(0, width))}" height="${height}" rx="1.5" fill="${fill}">${tip}</rect>`;
}

function line(x1: number, y1: number, x2: number, y2: number, kind: string): string {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" class="${kind}"/>`;
}

function text(x: number, y: number, what: string, kind = ''): string {
  return `<text x="${round(x)}" y="${round(y)}" class="${kind}">${escapeXml(what)}</text>`;
}

export function escapeXml(plain: string): string {
  return plain.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}

function show(value: number): string {
  const digits = value === 0 || Math.abs(value) >= 100 || Number.isInteger(value) ? 0 : 1;
  return value.toLocaleString('en', { maximumFractionDigits: digits });
}

const round = (value: number): number => Math.round(value * 10) / 10;
const colour = (i: number): string => COLOURS[i % COLOURS.length]!;
