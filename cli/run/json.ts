/** The run for machines: one JSON object a line, `event` first. docs/cli.md describes each; fields are only ever added. */
import path from 'node:path';
import type { Places, Presenter } from './presenter.ts';

const round = (ms: number): number => Math.round(ms * 1000) / 1000;

export function jsonPresenter(places: Places, stream: NodeJS.WriteStream): Presenter {
  const write = (event: Record<string, unknown>): void => {
    stream.write(`${JSON.stringify(event)}\n`);
  };
  return {
    opened({ type: _, inputBytes, ...started }) {
      write({ event: 'start', ...started, inputBytes, store: places.store });
    },
    batch({ type: _, batch, kind, durationMs, steps, readBytes, ...progress }, stats) {
      write({
        event: 'batch',
        n: batch,
        kind,
        durationMs: round(durationMs),
        ...progress,
        steps: Object.fromEntries(Object.entries(steps).map(([step, ms]) => [step, round(ms)])),
        readBytes: Math.round(readBytes),
        rowsPerSecond: Math.round(stats.rowsPerSecond),
      });
    },
    idle({ position, watermark }) {
      write({ event: 'idle', position, watermark });
    },
    note(text) {
      write({ event: 'note', message: text });
    },
    ended({ job: _, epoch: __, files, ...end }, stats, elapsedMs) {
      write({
        event: 'end',
        ...end,
        elapsedMs: round(elapsedMs),
        p50Ms: round(stats.quantileMs(0.5)),
        p99Ms: round(stats.quantileMs(0.99)),
        maxMs: round(stats.maxMs),
        commitLagMax: stats.commitLagMax,
        store: places.store,
        output: places.output ?? null,
        files: files.map((file) => path.resolve(file)),
      });
    },
    close() {},
  };
}
