import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { describeJob } from '../../cdk/describe-job.ts';
import { JobError } from '../../lib/errors.ts';
import { DEPARTURES, TWO_STAGES } from './make-stack.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'misa-describe-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A module with this text; its path. */
function moduleOf(name: string, text: string): string {
  const file = path.join(folder, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

/** Code and message of the refusal. */
function refusal(entry: string, partitions?: number): string {
  try {
    describeJob(entry, partitions);
  } catch (error) {
    if (error instanceof JobError) return `${error.code}: ${error.message}`;
    throw error;
  }
  throw new Error('it was not refused');
}

describe('a job that can run', () => {
  test('is plain data, without its functions', () => {
    const job = describeJob(DEPARTURES);
    expect(structuredClone(job)).toEqual(job);
    expect(job).toMatchObject({ name: 'departures', partitions: 4, stages: 1, sources: ['flights'], mode: 'append' });
    expect(job.outputs.map(({ name }) => name)).toEqual(['hourly', 'late']);
    expect(job.layout[0]).toContain('window-aggregate');
  });

  test('may have other partitions than its module says', () => {
    expect(describeJob(DEPARTURES, 7).partitions).toBe(7);
    expect(describeJob(DEPARTURES).partitions).toBe(4);
  });

  test('may have stages', () => {
    expect(describeJob(TWO_STAGES)).toMatchObject({ name: 'two.stages', partitions: 2, stages: 2 });
  });

  test('may be JavaScript, import its neighbours, wait while it loads, print, and leave things open', () => {
    moduleOf('neighbour.cjs', 'exports.delay = __dirname ? "1 hour" : 0; exports.os = require("node:os").EOL;');
    const entry = moduleOf(
      'busy.mjs',
      `import { createRequire } from 'node:module';
      import { job, source } from 'misa';
      import { delay } from './neighbour.cjs';
      const require = createRequire(import.meta.url);
      const __dirname = '/here';
      setInterval(() => {}, 1000);
      console.log('printed', require('node:path').sep, __dirname);
      const name = await Promise.resolve('busy');
      export default job(name, source('in', { eventTime: (r) => r.t, delay }));`,
    );
    expect(describeJob(entry)).toMatchObject({ name: 'busy', partitions: 1, sources: ['in'] });
  });

  test('is looked at again when it changes', () => {
    const text = (name: string): string =>
      `import { job, source } from 'misa'; export default job('${name}', source('in'));`;
    expect(describeJob(moduleOf('changing.ts', text('one'))).name).toBe('one');
    expect(describeJob(moduleOf('changing.ts', text('two'))).name).toBe('two');
  });
});

describe('what is no job is refused with what to do', () => {
  test.each([
    ['a folder', '.', /^JOB_MISSING: .* is a directory: name the job's module in it$/],
    ['no file', 'nowhere.ts', /^JOB_MISSING: there is no job file .*nowhere\.ts$/],
  ])('%s', (_, name, told) => {
    expect(refusal(path.join(folder, name))).toMatch(told);
  });

  test.each([
    ['a slip of the pen', 'export default job(;', /^JOB_SYNTAX: slip\.ts:1: /],
    [
      'no default export',
      'export const work = 1;',
      /^NOT_A_JOB: .* has no default export \(it exports work\)\. Write: /,
    ],
    ['nothing exported', 'export {};', /^NOT_A_JOB: .* has no default export \(it exports nothing\)/],
    ['something else', 'export default 5;', /^NOT_A_JOB: what .* exports is no job\. Write: export default job/],
    ['a package that is not there', `import x from '@some/thing/deep'; export default x;`, /npm install @some\/thing$/],
    [
      'a file that is not there',
      `import x from './x.ts'; export default x;`,
      /^JOB_IMPORT: .*:1 imports \.\/x\.ts, which is not there$/,
    ],
    [
      'an error',
      `\n\nthrow new TypeError('no config');`,
      /^JOB_THROWS: .*\.ts:3 throws while it is loaded: no config$/,
    ],
    ['an exit', 'process.exit(3);', /^JOB_THROWS: .* ends its process while it is loaded$/],
    [
      'a job that cannot work',
      `import { count, job, source } from 'misa';
      export default job('x', source<{ k: string }>('in').keyBy((r) => r.k).aggregate({ n: count() }));`,
      /^\w+: .*:2: .*append/,
    ],
  ])('%s', (name, text, told) => {
    const file = name === 'a slip of the pen' ? 'slip.ts' : `${name.replaceAll(' ', '-')}.ts`;
    expect(refusal(moduleOf(file, text))).toMatch(told);
  });

  test('impossible partitions', () => {
    for (const partitions of [0, -1, 1.5, 1025, Number.NaN]) {
      expect(refusal(DEPARTURES, partitions)).toMatch(/^BAD_OPTIONS: partitions must be a whole number from 1 to 1024/);
    }
  });
});
