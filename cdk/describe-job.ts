/**
 * What a stack must know of a job before it exists: loads the user's module and compiles the job in it. CDK constructs are
 * made synchronously and the module may be TypeScript, so it is bundled with the compile step and run by a node of its own:
 * as the ES module that it will be in a function, and whatever it leaves open or prints cannot disturb the synthesis.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type BuildFailure, buildSync } from 'esbuild';
import { JobError } from '../lib/errors.ts';
import type { PhysicalJob } from '../lib/stream/compile/physical.ts';
import { commonOptions } from './build-options.ts';
import { buildError, loadError, type ThrownError } from './job-errors.ts';
import { ownAliases, ownModule } from './package-files.ts';

/** Plain data of a compiled job. */
export interface JobDescription
  extends Pick<PhysicalJob, 'name' | 'mode' | 'partitions' | 'trigger' | 'commit' | 'preload' | 'layout' | 'outputs'> {
  /** Number of stages; each has all partitions. */
  readonly stages: number;
  /** Names of the inputs. */
  readonly sources: readonly string[];
}

const LOAD_TIMEOUT_MS = 60_000;
const MAX_PARTITIONS = 1024;

type Answer =
  | { readonly job: JobDescription }
  | { readonly error: ThrownError }
  | { readonly exports: readonly string[] };

/** By the hash of the code that was run. */
const described = new Map<string, Answer>();

/**
 * @param partitions in place of the job's own
 * @throws {JobError} `JOB_MISSING`, `JOB_IMPORT`, `JOB_SYNTAX`, `JOB_THROWS`, `NOT_A_JOB`, `BAD_OPTIONS`, or what `job()` refused
 */
export function describeJob(entry: string, partitions?: number): JobDescription {
  const file = path.basename(entry);
  if (
    partitions !== undefined &&
    (!Number.isSafeInteger(partitions) || partitions < 1 || partitions > MAX_PARTITIONS)
  ) {
    throw new JobError(
      'BAD_OPTIONS',
      `partitions must be a whole number from 1 to ${MAX_PARTITIONS}, not ${partitions}`,
    );
  }
  const stat = statSync(entry, { throwIfNoEntry: false });
  if (stat === undefined) throw new JobError('JOB_MISSING', `there is no job file ${path.resolve(entry)}`);
  if (!stat.isFile()) throw new JobError('JOB_MISSING', `${entry} is a directory: name the job's module in it`);
  const answer = run(entry, bundled(path.resolve(entry)));
  if ('error' in answer) throw loadError(entry, answer.error);
  if ('job' in answer) return partitions === undefined ? answer.job : { ...answer.job, partitions };
  if (answer.exports.includes('default')) {
    throw new JobError(
      'NOT_A_JOB',
      `what ${file} exports is no job. Write: export default job('name', outputs, options)`,
    );
  }
  const there = answer.exports.length === 0 ? 'it exports nothing' : `it exports ${answer.exports.join(', ')}`;
  throw new JobError('NOT_A_JOB', `${file} has no default export (${there}). Write: export default job('name', …)`);
}

/** Code that loads the job, compiles it, and writes an {@link Answer} into the file named by its first argument. */
function bundled(entry: string): string {
  const quoted = JSON.stringify(entry);
  const program = `
    import { writeFileSync } from 'node:fs';
    import { compileJob } from ${JSON.stringify(ownModule('lib/stream/compile/compile'))};
    const answer = (value) => { writeFileSync(process.argv[2], JSON.stringify(value)); process.exit(0); };
    let error;
    const module = await import(${quoted}).catch((thrown) => { error = thrown; });
    if (error === undefined) {
      try {
        const { name, mode, partitions, trigger, commit, preload, layout, outputs, stages, sources } = compileJob(module.default);
        answer({ job: { name, mode, partitions, trigger, commit, preload, layout, outputs,
          stages: stages.length, sources: sources.map((source) => source.name) } });
      } catch (thrown) {
        if (thrown?.code === 'NOT_A_JOB') answer({ exports: Object.keys(module) });
        error = thrown;
      }
    }
    const { code, name = 'Error', message = String(error), stack = '' } = error ?? {};
    answer({ error: { code: typeof code === 'string' ? code : undefined, name, message, stack } });`;
  try {
    const { outputFiles } = buildSync({
      stdin: { contents: program, resolveDir: path.dirname(entry), sourcefile: 'describe-job.mjs', loader: 'js' },
      ...commonOptions(),
      write: false,
      alias: ownAliases(),
      // A job that brings a native addon is described without it; `job()` does not run the functions that use it.
      loader: { '.node': 'empty' },
      sourcemap: 'inline',
    });
    return outputFiles[0]!.text;
  } catch (error) {
    throw buildError(entry, error as BuildFailure);
  }
}

function run(entry: string, code: string): Answer {
  const key = createHash('sha256').update(code).digest('hex');
  const known = described.get(key);
  if (known !== undefined) return known;
  const folder = mkdtempSync(path.join(os.tmpdir(), 'misa-describe-'));
  try {
    const program = path.join(folder, 'describe.mjs');
    const result = path.join(folder, 'answer.json');
    writeFileSync(program, code);
    // What the module prints must not get into what a program above prints.
    const child = spawnSync(process.execPath, ['--enable-source-maps', program, result], {
      cwd: path.dirname(path.resolve(entry)),
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: LOAD_TIMEOUT_MS,
      encoding: 'utf8',
    });
    const answered = statSync(result, { throwIfNoEntry: false }) !== undefined;
    if (!answered) throw silent(entry, child.error, child.stderr);
    const answer = JSON.parse(readFileSync(result, 'utf8')) as Answer;
    described.set(key, answer);
    return answer;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function silent(entry: string, error: Error | undefined, stderr: string): JobError {
  const file = path.basename(entry);
  if ((error as NodeJS.ErrnoException | undefined)?.code === 'ETIMEDOUT') {
    return new JobError(
      'JOB_THROWS',
      `${file} does not finish loading within ${LOAD_TIMEOUT_MS / 1000} s: it may await something that never comes`,
    );
  }
  const said = (error?.message ?? stderr).trim().split('\n').slice(-3).join('\n');
  return new JobError('JOB_THROWS', `${file} ends its process while it is loaded${said === '' ? '' : `: ${said}`}`);
}
