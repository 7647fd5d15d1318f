/**
 * Loads a user's job module, TypeScript or JavaScript, and compiles the job in it. Every way in which a module can fail to
 * be a job has its own message, which names the file.
 */
import { statSync } from 'node:fs';
import { register } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { errorText, JobError, MisaError } from '../lib/errors.ts';
import type { Job } from '../lib/stream/api/job.ts';
import type { PhysicalJob } from '../lib/stream/compile/physical.ts';

const TYPESCRIPT = /\.[cm]?tsx?$/;
const COMMON_JS = /\.c[jt]s$/;

/** Whether an argument means a job module and not the name of a job. */
export function isJobFile(text: string): boolean {
  return /\.[cm]?[jt]sx?$/.test(text);
}

/** A user's job, compiled. @throws {JobError} the file is no module with a job that can run */
export async function loadJob(file: string): Promise<PhysicalJob> {
  const { compileJob } = await import('../lib/stream/compile/compile.ts');
  return compileJob(await importJob(file));
}

/** A user's job as it is exported. @throws {JobError} the file is no module with a job that can run */
export async function importJob(file: string): Promise<Job<unknown>> {
  const absolute = path.resolve(file);
  const stat = statSync(absolute, { throwIfNoEntry: false });
  if (stat === undefined)
    throw new JobError('JOB_MISSING', `there is no job file ${file} (looked in ${path.dirname(absolute)})`);
  if (!stat.isFile()) throw new JobError('JOB_MISSING', `${file} is a directory: name the job's module in it`);
  const { definitionOf } = await import('../lib/stream/api/job.ts');
  const exported = await importDefault(file, absolute);
  try {
    definitionOf(exported);
  } catch (error) {
    if (error instanceof MisaError && error.code === 'NOT_A_JOB') throw notAJob(file);
    throw error;
  }
  return exported as Job<unknown>;
}

async function importDefault(file: string, absolute: string): Promise<unknown> {
  let module: Record<string, unknown>;
  try {
    module = (await importModule(absolute)) as Record<string, unknown>;
  } catch (error) {
    throw cannotLoad(file, error);
  }
  if (module.default === undefined) {
    const names = Object.keys(module).join(', ');
    const there = names === '' ? 'it exports nothing' : `it exports ${names}`;
    throw new JobError('NOT_A_JOB', `${file} has no default export (${there}). Write: export default job('name', …)`);
  }
  return module.default;
}

async function importModule(absolute: string): Promise<unknown> {
  if (!COMMON_JS.test(absolute)) {
    await prepare(TYPESCRIPT.test(absolute));
    try {
      return await import(pathToFileURL(absolute).href);
    } catch (error) {
      // The package.json makes it a CommonJS script, whose `require('misa')` failed: load it as such.
      const { code, message } = error as { code?: unknown; message?: unknown };
      if (code !== 'MODULE_NOT_FOUND' || !/'misa(\/[a-z]+)?'/.test(String(message))) throw error;
    }
  }
  const { importCommonJs } = await import('./load-commonjs.ts');
  return importCommonJs(absolute, OWN);
}

const BUILT = import.meta.url.endsWith('.js');

/** Entry points of this installation, by what modules call them. */
const OWN = { misa: ownModule('index'), 'misa/testing': ownModule('testing') };

function ownModule(name: string): string {
  return new URL(`../lib/${name}.${BUILT ? 'js' : 'ts'}`, import.meta.url).href;
}

let prepared = false;

async function prepare(typescript: boolean): Promise<void> {
  if (typescript) {
    const tsx = await import('tsx/esm/api');
    tsx.register();
  }
  if (prepared) return;
  prepared = true;
  register(BUILT ? './job-hooks.js' : './job-hooks.ts', import.meta.url, { data: OWN });
}

function notAJob(file: string): JobError {
  return new JobError(
    'NOT_A_JOB',
    `what ${file} exports is no job. Write: export default job('name', outputs, options)`,
  );
}

/** A module that throws while it is loaded: `job()` refused, a slip in it, or something it imports is not there. */
function cannotLoad(file: string, error: unknown): MisaError {
  // Recognised by its fields, since the error may come from another copy of Misa.
  const { code, name, message } = error as { code?: unknown; name?: unknown; message?: unknown };
  if (typeof code === 'string' && name === 'JobError') {
    return new JobError(code, `${file}${placeOf(file, error)}: ${String(message)}`, { cause: error });
  }
  if (code === 'ERR_MODULE_NOT_FOUND') {
    return new JobError('JOB_IMPORT', `${file} cannot be loaded: ${importText(String(message))}`, { cause: error });
  }
  if (name === 'TransformError' || error instanceof SyntaxError) {
    return new JobError('JOB_SYNTAX', `${file} cannot be read: ${errorText(error).trim()}`, { cause: error });
  }
  return new JobError('JOB_THROWS', `${file}${placeOf(file, error)} throws while it is loaded: ${errorText(error)}`, {
    cause: error,
  });
}

/** `:12`, where the stack has a line of that file. */
function placeOf(file: string, error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const line = stack.split('\n').find((l) => l.includes(path.basename(file)) && l.trimStart().startsWith('at '));
  const found = line === undefined ? null : /:(\d+):\d+\)?$/.exec(line);
  return found === null ? '' : `:${found[1]}`;
}

/** Node's message without the long path of the importer. */
function importText(message: string): string {
  const what = /^Cannot find (package|module) '([^']+)'/.exec(message);
  if (what === null) return message;
  const [, kind, name] = what;
  return kind === 'package'
    ? `it imports '${name}', which is not installed. Install it beside the job: npm install ${name}`
    : `it imports ${name}, which is not there`;
}
