/** The run for machines: one JSON object a line, `event` first. docs/cli.md describes each; fields are only ever added. */
import path from 'node:path';
import type { Places, Presenter } from './presenter.ts';

const round = (ms: number): number => Math.round(ms * 1000) / 1000;

export function jsonPresenter(places: Places, stream: NodeJS.WriteStream): Presenter {
  const write = (event: Record<string, unknown>): void => {
    stream.write(`${JSON.stringify(event)}\n`);
  };
  return {
    opened({ file, position, totalBytes }) {
      const { name, epoch, partitions, outputMode, commit } = file;
      write({
        event: 'start',
        job: name,
        epoch,
        partitions,
        outputMode,
        commit,
        position,
        inputBytes: totalBytes,
        store: places.store,
      });
    },
    batch({ done, durationMs, commitLag, readBytes, totalBytes }, stats) {
      const { plan } = done.plan;
      write({
        event: 'batch',
        n: done.n,
        kind: plan.kind,
        durationMs: round(durationMs),
        rows: plan.counts.rows,
        late: done.counts.late,
        skipped: done.counts.skipped,
        quarantined: done.counts.quarantined,
        emitted: done.counts.emitted,
        watermark: plan.watermark,
        commitLag,
        reads: done.reads,
        readBytes: Math.round(readBytes),
        totalBytes,
        rowsPerSecond: Math.round(stats.rowsPerSecond),
      });
    },
    note(text) {
      write({ event: 'note', message: text });
    },
    ended(end, stats, elapsedMs) {
      write({
        event: 'end',
        reason: end.reason,
        position: end.position,
        elapsedMs: round(elapsedMs),
        rows: stats.rows,
        applied: stats.applied,
        late: stats.late,
        skipped: stats.skipped,
        quarantined: stats.quarantined,
        emitted: stats.emitted,
        batches: stats.batches,
        p50Ms: round(stats.quantileMs(0.5)),
        p99Ms: round(stats.quantileMs(0.99)),
        maxMs: round(stats.maxMs),
        commitLagMax: stats.commitLagMax,
        watermark: stats.watermark,
        reads: stats.reads,
        store: places.store,
        output: places.output ?? null,
        files: end.files.map((file) => path.resolve(file)),
      });
    },
    close() {},
  };
}
