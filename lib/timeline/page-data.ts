/**
 * The spans as the page carries them: columns of differences between neighbours, deflated, in base 64. Batches resemble
 * each other, so a span takes a few bytes, and a run of 10,000 batches is a file that can be mailed.
 */
import { deflateRawSync } from 'node:zlib';
import type { Item, Layer } from './layout.ts';

export interface PageLayer {
  readonly tone: string;
  readonly group: string;
  readonly y: number;
  readonly height: number;
  /** µs: each start as the difference from the one before. */
  readonly starts: readonly number[];
  /** µs */
  readonly durations: readonly number[];
  /** Differences. */
  readonly ns: readonly number[];
  /** What is said on hover, by name; null where an item has none. */
  readonly details: Readonly<Record<string, readonly (number | string | null)[]>>;
}

/** @param runs layers of each run, in the order of their paths in the page */
export function encodePageData(runs: readonly (readonly Layer[])[]): string {
  const json = JSON.stringify(runs.map((layers) => layers.map(pageLayer)));
  return deflateRawSync(json, { level: 9 }).toString('base64');
}

function pageLayer({ tone, group, y, height, items }: Layer): PageLayer {
  return {
    tone,
    group,
    y,
    height,
    starts: differences(items.map((item) => Math.round(item.startMs * 1000))),
    durations: items.map((item) => Math.round(item.endMs * 1000) - Math.round(item.startMs * 1000)),
    ns: differences(items.map((item) => item.n)),
    details: columns(items),
  };
}

function differences(values: readonly number[]): number[] {
  return values.map((value, i) => value - (values[i - 1] ?? 0));
}

function columns(items: readonly Item[]): PageLayer['details'] {
  const keys = new Set(items.flatMap(({ detail }) => (detail === undefined ? [] : Object.keys(detail))));
  return Object.fromEntries([...keys].map((key) => [key, items.map(({ detail }) => detail?.[key] ?? null)]));
}
