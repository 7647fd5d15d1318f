/** Job modules of every kind that node has. */
import { afterAll, describe, expect, it } from 'vitest';
import { workspaces } from './helpers.ts';

const { workspace, removeAll } = workspaces();
afterAll(removeAll);

const IMPORTED = "import { job, source } from 'misa';\nexport default ";
const REQUIRED = "const { job, source } = require('misa');\n";
const JOB = "job('kinds', source('in').map((row) => row));\n";

describe('a job module', () => {
  it.each([
    ['job.ts', IMPORTED + JOB],
    ['job.mts', IMPORTED + JOB],
    ['job.cts', IMPORTED + JOB],
    ['job.mjs', IMPORTED + JOB],
    ['job.cjs', `${REQUIRED}module.exports = ${JOB}`],
    ['exports.cjs', `${REQUIRED}exports.default = ${JOB}`],
    ['script.js', `${REQUIRED}module.exports = ${JOB}`],
    ['parts.cjs', `${REQUIRED}const f = require('./part.cjs');\nmodule.exports = job('kinds', source('in').map(f));\n`],
  ])('%s runs', async (name, text) => {
    const space = workspace();
    space.write(name, text);
    space.write(
      'part.cjs',
      "const { sep } = require('node:path');\nmodule.exports = (row) => (sep === '' ? null : row);\n",
    );
    space.write('in.ndjson', '{"a":1}\n');
    expect(await space.run('run', name, '--input', 'in=in.ndjson')).toMatchObject({ code: 0, stdout: '{"a":1}\n' });
  });

  it('that is CommonJS and throws is named with its line', async () => {
    const space = workspace();
    space.write('job.cjs', `${REQUIRED}\nthrow new Error('no such thing');\n`);
    const { code, stderr } = await space.run('run', 'job.cjs', '--input', 'in=in.ndjson');
    expect({ code, stderr }).toEqual({ code: 1, stderr: 'misa: job.cjs:3 throws while it is loaded: no such thing\n' });
  });
});
