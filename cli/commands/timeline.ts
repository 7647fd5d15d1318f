/**
 * `misa timeline`: a run, or several runs on one time axis, as an HTML page that needs nothing else. Reads what the run
 * recorded of itself; changes nothing in a store.
 */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { errorText } from '../../lib/errors.ts';
import { readTrace } from '../../lib/timeline/read-trace.ts';
import { renderTimeline, type TimelineRun } from '../../lib/timeline/render.ts';
import { UsageError } from '../failure.ts';
import { openStoredJob, type StoreOptions } from '../state/open-stored-job.ts';

export interface TimelineOptions {
  /** Name of a job, or its module. */
  readonly job: string;
  readonly store: string;
  readonly endpoint?: string;
  readonly stack?: string | true;
  /** HTML file; `{job}-timeline.html` when left out. */
  readonly output?: string;
  /** Further stores that hold the job: their latest runs are drawn below. */
  readonly compare?: readonly string[];
  /** Id of the run in `store`, or its beginning; the latest when left out. */
  readonly run?: string;
}

export async function timelineCommand(options: TimelineOptions): Promise<void> {
  const { job: name, run, compare = [], output: _, ...place } = options;
  const others = compare.map((store) => loadRun(name, { store, ...(place.endpoint && { endpoint: place.endpoint }) }));
  const loaded = await Promise.all([loadRun(name, place, run), ...others]);
  const { job } = loaded[0]!;
  const file = path.resolve(options.output ?? `${job}-timeline.html`);
  const { html, captions } = renderTimeline(
    job,
    loaded.map((one) => one.run),
  );
  try {
    await writeFile(file, html);
  } catch (error) {
    throw new UsageError(`cannot write ${file}: ${errorText(error)}. Name another file with --output`);
  }
  process.stdout.write(`${captions.map((caption) => `${caption}\n`).join('')}${file}\n`);
}

async function loadRun(name: string, place: StoreOptions, run?: string): Promise<{ job: string; run: TimelineRun }> {
  const stored = await openStoredJob(name, place);
  const trace = await readTrace(stored.store, stored.names, run);
  const info = { commit: stored.file.commit, ...trace.info };
  return { job: stored.file.name, run: { trace: { ...trace, info }, from: stored.where } };
}
