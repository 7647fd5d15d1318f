/** Numbers, times and tables for people: one way to write each, so that all commands look alike. */
import { greatest } from '../lib/util/numbers.ts';

const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** `328,521` */
export function number(n: number): string {
  return grouped.format(n);
}

/** `1 row`, `2 rows` */
export function count(n: number, noun: string, plural = `${noun}s`): string {
  return `${number(n)} ${n === 1 ? noun : plural}`;
}

/** `16.0 KiB` */
export function bytes(n: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  let value = n;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}

/** `0.8 ms`, `21 ms`, `3.4 s`, `2 min 5 s` */
export function milliseconds(ms: number): string {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** `99.2 %`; never shows 100 % for less, nor 0 % for more. */
export function percent(part: number, whole: number): string {
  if (whole === 0) return '–';
  const share = (100 * part) / whole;
  if (share === 0 || share === 100) return `${share} %`;
  return `${Math.min(99.9, Math.max(0.1, share)).toFixed(1)} %`;
}

/** `2013-08-14 05:00 UTC` of epoch ms; with seconds only where there are some. */
export function time(ms: number | null): string {
  if (ms === null) return 'none';
  if (!Number.isFinite(ms) || Math.abs(ms) > 8.64e15) return String(ms);
  const iso = new Date(ms).toISOString();
  const [day, clock] = [iso.slice(0, -14), iso.slice(-13, -1)];
  const short = clock.endsWith(':00.000') ? clock.slice(0, 5) : clock.endsWith('.000') ? clock.slice(0, 8) : clock;
  return `${day} ${short} UTC`;
}

export interface Column {
  readonly title: string;
  readonly right?: boolean;
}

/** A table with a header; the last columns are cut where the width ends. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[], indent = '  '): string {
  const widths = columns.map(({ title }, c) =>
    greatest(
      rows.map((row) => row[c]?.length ?? 0),
      title.length,
    ),
  );
  const line = (cells: readonly string[]): string => {
    const padded = cells.map((cell, c) => (columns[c]!.right ? cell.padStart(widths[c]!) : cell.padEnd(widths[c]!)));
    return `${indent}${padded.join('  ').trimEnd()}\n`;
  };
  return line(columns.map((c) => c.title)) + rows.map(line).join('');
}

export interface Style {
  dim(text: string): string;
  bold(text: string): string;
  good(text: string): string;
  bad(text: string): string;
}

/** Colours where the stream is a terminal that has them; honours NO_COLOR and FORCE_COLOR. */
export function styleOf(stream: NodeJS.WriteStream): Style {
  const colours = stream.isTTY === true && stream.hasColors();
  const wrap =
    (open: number, close: number) =>
    (text: string): string =>
      colours ? `\x1b[${open}m${text}\x1b[${close}m` : text;
  return { dim: wrap(2, 22), bold: wrap(1, 22), good: wrap(32, 39), bad: wrap(31, 39) };
}
