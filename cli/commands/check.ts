/**
 * `misa check`: what a job is, and what going on from its stored state would mean: as it is, with other columns (which of them go on, come
 * and go), or not at all, and why. It runs nothing and writes nothing.
 */
import { MisaError } from '../../lib/errors.ts';
import { fitJob, type JobFit } from '../../lib/job/job-file.ts';
import type { ColumnChange } from '../../lib/stream/compile/layout-change.ts';
import { parseLayoutLine } from '../../lib/stream/compile/layout-line.ts';
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import { shownName } from '../../lib/stream/graph/stored-columns.ts';
import { windowWords } from '../../lib/stream/graph/window-spec.ts';
import { EXIT_FAILURE } from '../failure.ts';
import { loadJob } from '../load-job.ts';
import { openStoredJob, type StoreOptions } from '../state/open-stored-job.ts';
import { count, type Style, styleOf, table } from '../text.ts';

export interface CheckOptions extends StoreOptions {
  readonly json: boolean;
}

/** Exit code 1: the job cannot go on from its state. */
export async function checkCommand(file: string, options: CheckOptions): Promise<void> {
  const job = await loadJob(file);
  const state = await stateOf(job, options);
  if (state.verdict === 'refused') process.exitCode = EXIT_FAILURE;
  const described = describe(job);
  if (options.json) process.stdout.write(`${JSON.stringify({ ...described, state })}\n`);
  else process.stdout.write(jobText(described) + stateText(state, styleOf(process.stdout)));
}

type Verdict = 'none' | 'same' | 'changed' | 'refused';

interface StateCheck {
  readonly store: string;
  readonly verdict: Verdict;
  readonly layoutVersion?: number;
  readonly columns?: readonly ColumnCheck[];
  readonly refusals?: readonly string[];
}

/** What becomes of one column of the state. */
interface ColumnCheck {
  /** `s0/o0` */
  readonly place: string;
  readonly operator: string;
  readonly column: string;
  readonly aggregate: string;
  readonly change: 'kept' | ColumnChange['change'];
  readonly from?: string | undefined;
}

async function stateOf(job: PhysicalJob, options: CheckOptions): Promise<StateCheck> {
  const stored = await openStoredJob(job.name, options).catch((error: unknown) => {
    const { code } = error as { readonly code?: unknown };
    if (error instanceof MisaError && (code === 'NO_STORE' || code === 'NO_JOB')) return undefined;
    throw error;
  });
  if (stored === undefined) return { store: options.store, verdict: 'none' };
  const { where: store, file } = stored;
  const { layoutVersion = 1 } = file;
  const { changes, refusals }: JobFit = fitJob(file, job);
  if (refusals.length > 0) return { store, verdict: 'refused', layoutVersion, refusals };
  const verdict = changes.length > 0 ? 'changed' : 'same';
  return { store, verdict, layoutVersion, columns: columnsOf(job, changes) };
}

function columnsOf(job: PhysicalJob, changes: readonly ColumnChange[]): ColumnCheck[] {
  const left = new Map(changes.map((change) => [`${change.place} ${change.column}`, change]));
  const columns: ColumnCheck[] = [];
  for (const [place, own] of job.columns) {
    const operator = job.layout.find((line) => line.startsWith(`${place} `))!.split(' ')[1]!;
    for (const { name: column, kind: aggregate } of own) {
      const change = left.get(`${place} ${column}`);
      columns.push(change ?? { place, operator, column, aggregate, change: 'kept' });
    }
    for (const change of changes) if (change.place === place && change.change === 'removed') columns.push(change);
  }
  return columns;
}

type Described = ReturnType<typeof describe>;

function describe(job: PhysicalJob) {
  return {
    job: job.name,
    outputMode: job.mode,
    partitions: job.partitions,
    commit: job.commit.mode,
    sources: job.sources.map(({ name }) => name),
    stages: job.stages.map(({ operators }, stage) => ({
      operators: operators.map(({ operator }, index) => {
        const lines = job.layout.map(parseLayoutLine).filter((line) => line?.place === `s${stage}/o${index}`);
        const window = lines[0]?.window;
        return {
          name: operator.name,
          ...(window === undefined ? {} : { window: windowWords(window) }),
          columns: job.columns.get(`s${stage}/o${index}`) ?? [],
          tables: operator.tables.map(({ name, kind }) => ({ name, kind })),
        };
      }),
    })),
    outputs: job.outputs.map(({ name, kind, stage }) => ({ name, kind, stage })),
  };
}

function jobText({ job, outputMode, partitions, commit, sources, stages, outputs }: Described): string {
  const operators = stages.flatMap((stage, s) =>
    stage.operators.map(({ name, window = '', columns, tables }) => [
      String(s),
      name,
      window,
      columns.map((column) => `${shownName(column.name)} ${column.kind}`).join(', '),
      tables.map((one) => `${one.name} (${one.kind})`).join(', '),
    ]),
  );
  const titles = ['stage', 'operator', 'window', 'columns', 'state'].map((title) => ({ title }));
  return [
    `${job}: mode ${outputMode}, ${count(partitions, 'partition')}, commit ${commit}\n`,
    `  from ${sources.join(', ')}\n`,
    operators.length === 0 ? '' : `\n${table(titles, operators)}`,
    `\n${table(
      ['output', 'rows', 'stage'].map((title) => ({ title })),
      outputs.map(({ name, kind, stage }) => [name, kind, String(stage)]),
    )}`,
  ].join('');
}

const VERDICTS: Readonly<Record<Verdict, string>> = {
  none: 'there is none yet, the job begins anew',
  same: 'the job goes on from it as it is',
  changed: 'the job goes on from it with other columns',
  refused: 'the job cannot go on from it',
};

const BECOMES: Readonly<Record<Exclude<ColumnCheck['change'], 'renamed'>, string>> = {
  kept: 'goes on',
  added: 'new: in groups that are there it begins with the next batch, as if no row had come before',
  removed: 'gone: what it held is lost',
};

function stateText({ store, verdict, columns = [], refusals = [] }: StateCheck, style: Style): string {
  const mark = verdict === 'refused' ? style.bad : style.good;
  const rows = columns.map(({ place, operator, column, aggregate, change, from }) => [
    `${place} ${operator}`,
    column,
    aggregate,
    change === 'renamed' ? `was ${shownName(from!)}, and goes on` : BECOMES[change],
  ]);
  const titles = ['operator', 'column', 'aggregate', ''].map((title) => ({ title }));
  return [
    `\nstate in ${store}: ${mark(VERDICTS[verdict])}\n`,
    verdict === 'changed' ? table(titles, rows) : '',
    ...refusals.map((refusal) => `  ${refusal}\n`),
  ].join('');
}
