/**
 * `job()`: a name, outputs and options, checked as a whole. Whatever can be known to fail is refused here, with a code
 * that is stable and a message that says what to change; compiling a job that was made here cannot fail.
 */
import { JobError } from '../../errors.ts';
import { isName } from '../../object-store/names.ts';
import type { result } from '../graph/brands.ts';
import type { JobDefinition } from '../graph/job-definition.ts';
import { nodeOf } from './builder.ts';
import { type JobOptions, resolveOptions } from './job-options.ts';
import { checkOutputNames } from './output-names.ts';
import type { RowOf, Stream } from './streams.ts';
import { checkGraph } from './validate.ts';

/** A job, ready to be run; the default export of a job module. `Out` is what a batch gives: rows, or rows by output name. */
export interface Job<out Out> {
  readonly name: string;
  readonly [result]?: Out;
}

/** Where a job keeps its definition; the same for all copies of the package that a program may have loaded. */
const DEFINITION: unique symbol = Symbol.for('misa.job') as never;

/** Name of the output of a job that has but one. */
const SINGLE_OUTPUT = 'out';

/**
 * Names a pipeline and checks it.
 * @param outputs one stream, or several by name: letters, digits, `.`, `_`, `-`; not `quarantine`, not two that differ by case only
 * @throws {JobError} what cannot work and what to change: `append` of an aggregation without window or watermark, `complete`
 *   without an aggregation, a stateful operator after an aggregation in `update` or `complete` mode, two sources of one name …
 */
export function job<T>(name: string, outputs: Stream<T>, options?: JobOptions): Job<T[]>;
export function job<O extends { readonly [output: string]: Stream<unknown> }>(
  name: string,
  outputs: O,
  options?: JobOptions,
): Job<{ [P in keyof O]: RowOf<O[P]>[] }>;
export function job(name: string, outputs: object, options: JobOptions = {}): Job<unknown> {
  if (typeof name !== 'string' || !isName(name)) throw badName(name);
  const single = typeof (outputs as Partial<Stream<unknown>> | null)?.map === 'function';
  const named = single ? { [SINGLE_OUTPUT]: outputs } : (outputs ?? {});
  checkOutputNames(Object.keys(named));
  const definition: JobDefinition = {
    name,
    outputs: Object.entries(named).map(([output, stream]) => ({
      name: output,
      node: nodeOf(stream, single ? 'job()' : `output '${output}'`),
    })),
    single,
    options: resolveOptions(options),
  };
  checkGraph(definition);
  return Object.freeze({ name, [DEFINITION]: definition }) as Job<unknown>;
}

/**
 * What `job()` was given, checked and with defaults.
 * @throws {JobError} `NOT_A_JOB`
 */
export function definitionOf(value: unknown): JobDefinition {
  const definition = (value as { readonly [DEFINITION]?: JobDefinition } | null | undefined)?.[DEFINITION];
  if (definition === undefined) {
    throw new JobError('NOT_A_JOB', 'this is no job: a job module must `export default job(name, outputs, options)`');
  }
  return definition;
}

function badName(name: unknown): JobError {
  return new JobError(
    'BAD_NAME',
    `job name ${JSON.stringify(name)}: use 1 to 100 letters, digits, '.', '_' or '-', the first a letter or digit`,
  );
}
