/** Numbers out of measurements: percentiles of samples, and the machine that they were taken on. */
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';

/** Percentile by the nearest rank. @param p 0 to 100 */
export function percentile(samples: readonly number[], p: number): number {
  if (samples.length === 0) return Number.NaN;
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil((p / 100) * sorted.length) - 1))]!;
}

export function median(samples: readonly number[]): number {
  return percentile(samples, 50);
}

/** Shares of the samples, for a plot of their distribution: [value, percentile] at every percent and near the end. */
export function distribution(samples: readonly number[]): [number, number][] {
  const at = [...Array.from({ length: 99 }, (_, i) => i + 1), 99.5, 99.9, 100];
  return at.map((p) => [percentile(samples, p), p]);
}

/** A figure of Linux's books of this process's memory, MB (10^6 bytes). @returns `undefined`: there are none */
export function statusMb(name: 'VmHWM' | 'VmRSS' | 'RssAnon'): number | undefined {
  try {
    const kib = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(readFileSync('/proc/self/status', 'latin1'))?.[1];
    return kib === undefined ? undefined : (Number(kib) * 1024) / 1e6;
  } catch {
    return undefined;
  }
}

/**
 * The most memory this process ever held resident, MB (10^6 bytes). From Linux's own books where there are any: `maxRSS`
 * begins with what the parent held when it forked.
 */
export function peakMb(): number {
  return statusMb('VmHWM') ?? (process.resourceUsage().maxRSS * 1024) / 1e6;
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly node: string;
  readonly os: string;
  readonly date: string;
}

export function thisMachine(): Machine {
  const all = cpus();
  return {
    cpu: all[0]?.model.trim() ?? 'unknown',
    cores: all.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    os: `${process.platform} ${release()}`,
    date: new Date().toISOString(),
  };
}
