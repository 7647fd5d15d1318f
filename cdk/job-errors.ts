/**
 * What can be wrong with a job's module, told so that its author knows what to do: the codes and words of the command line,
 * here for a module that is bundled instead of imported.
 */
import path from 'node:path';
import type { BuildFailure, Message } from 'esbuild';
import { errorText, JobError, type MisaError } from '../lib/errors.ts';

/** A build that failed; the first of its errors is told. */
export function buildError(entry: string, failure: BuildFailure): MisaError {
  const file = path.basename(entry);
  const [first] = failure.errors ?? [];
  if (first === undefined)
    return new JobError('JOB_BUNDLE', `${file} cannot be bundled: ${errorText(failure)}`, { cause: failure });
  const where = placeOf(first);
  const missing = /^Could not resolve "([^"]+)"/.exec(first.text);
  if (missing === null) return new JobError('JOB_SYNTAX', `${where}: ${first.text}`, { cause: failure });
  const name = missing[1]!;
  const what = /^[./]/.test(name)
    ? `${where} imports ${name}, which is not there`
    : `${where} imports '${name}', which is not installed. Install it beside the job: npm install ${packageOf(name)}`;
  return new JobError('JOB_IMPORT', what, { cause: failure });
}

function placeOf({ location }: Message): string {
  return location === null ? 'the job' : `${path.basename(location.file)}:${location.line}`;
}

function packageOf(specifier: string): string {
  const [first, second] = specifier.split('/');
  return first!.startsWith('@') && second !== undefined ? `${first}/${second}` : first!;
}

/** An error that the job's module threw in another process. */
export interface ThrownError {
  readonly code?: string;
  readonly name: string;
  readonly message: string;
  readonly stack: string;
}

export function loadError(entry: string, thrown: ThrownError): MisaError {
  const file = path.basename(entry);
  const line = thrown.stack.split('\n').find((l) => l.includes(file) && l.trimStart().startsWith('at '));
  const at = line === undefined ? null : /:(\d+):\d+\)?$/.exec(line);
  const where = at === null ? file : `${file}:${at[1]}`;
  if (thrown.name === 'JobError' && thrown.code !== undefined) {
    return new JobError(thrown.code, `${where}: ${thrown.message}`);
  }
  return new JobError('JOB_THROWS', `${where} throws while it is loaded: ${thrown.message}`);
}
