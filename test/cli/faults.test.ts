/** What goes wrong, and what the command line makes of it: exit code, one clear message, nothing overwritten. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { clicks, clicksJob, type Finished, gzipped, ndjson, workspaces } from './helpers.ts';

const { workspace, removeAll } = workspaces();

afterAll(removeAll);

/** One message for people, and no stack. */
function expectFailure(finished: Finished, code: number, ...parts: string[]): void {
  expect(finished.stderr).toMatch(/^misa: /m);
  for (const part of parts) expect(finished.stderr).toContain(part);
  expect(finished.stderr).not.toContain('\n    at ');
  expect(finished.code).toBe(code);
}

describe('usage', () => {
  it.each([
    [['frobnicate'], "unknown command 'frobnicate'"],
    [['help', 'frobnicate'], "unknown command 'frobnicate'"],
    [['state', 'frobnicate'], "unknown command 'state frobnicate'"],
    [['run'], "missing required argument 'job'"],
    [['run', 'job.ts', '--bogus'], "unknown option '--bogus'"],
    [['run', 'job.ts', '--commit', 'sometimes'], 'Allowed choices are async, sync'],
    [['run', 'job.ts', '--batch-rows', '0'], 'not a whole number above 0'],
    [['run', 'job.ts', '--input', 'data.csv'], 'say which source the files are for'],
    [['checkpoint', 'list', 'job'], "'misa checkpoint' is not built yet"],
    [['status', 'job', '--stack', '--store', 'x'], 'cannot be used with option'],
    [['send', 'clicks'], "missing required argument 'files'"],
    [['send', 'clicks', '-', 'a.csv'], 'standard input (-) cannot be sent together with files'],
    [['dev', 'job.ts', '--once'], '--once ends when all input is processed: name it with --input'],
    [['dev', 'job.ts', '--input', 'a.csv'], 'say which source the files are for'],
    [['deploy', 'job.ts', '--partitions', 'many'], 'not a whole number above 0'],
  ])('refuses misa %j with exit code 2', async (args, message) => {
    expectFailure(await workspace().run(...args), 2, message);
  });

  it('shows help and version with exit code 0', async () => {
    const space = workspace();
    expect(await space.run('--help')).toMatchObject({ code: 0, stdout: expect.stringContaining('Usage: misa') });
    expect(await space.run('--version')).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  });
});

describe('a reader that has seen enough', () => {
  it.each([
    [['--help']],
    [['status', 'clicks']],
    [['state', 'stats', 'clicks']],
    [['state', 'scan', 'clicks', '--json']],
    [['run', 'job.ts', '-i', 'clicks=a.ndjson', '-o', 'again', '--json']],
  ])('is no failure: misa %j', async (args) => {
    const space = workspace();
    space.write('job.ts', clicksJob());
    space.write('a.ndjson', ndjson(clicks(50)));
    expect((await space.run('run', 'job.ts', '-i', 'clicks=a.ndjson', '-o', 'out')).code).toBe(0);
    for (const gone of ['stdout', 'stderr'] as const) {
      const started = space.start(args);
      started.child[gone]!.destroy();
      const { code, stderr } = await started.finished;
      expect(stderr).not.toContain('EPIPE');
      expect(code, gone).toBe(0);
    }
  });
});

describe('a job module', () => {
  it.each([
    ['that is not there', undefined, ['there is no job file job.ts']],
    ['without default export', 'export const answer = 42;', ['job.ts has no default export (it exports answer)']],
    ['that exports something else', 'export default { name: "x" };', ['what job.ts exports is no job']],
    ['with a syntax error', 'export default job(;', ['job.ts cannot be read']],
    [
      'that imports what is not installed',
      "import 'nowhere-to-be-found';",
      ["'nowhere-to-be-found', which is not installed"],
    ],
    ['that throws', 'throw new Error("no luck");', ['throws while it is loaded: no luck']],
    [
      'that cannot work',
      "import { count, job, source } from 'misa';\n\nexport default job('x', source('s').keyBy(() => 1).aggregate({ n: count() }));",
      ['job.ts:3: ', 'is never final'],
    ],
  ])('%s is refused', async (_, text, parts) => {
    const space = workspace();
    if (text !== undefined) space.write('job.ts', text);
    space.write('a.ndjson', ndjson(clicks(2)));
    expectFailure(await space.run('run', 'job.ts', '-i', 'clicks=a.ndjson'), 1, ...parts);
  });
});

describe('input, store and output', () => {
  it('names a truncated gzip, and keeps what was read before it', async () => {
    const space = workspace();
    space.write('job.ts', clicksJob());
    space.write('a.ndjson.gz', gzipped(clicks(20_000)).subarray(0, 30_000));
    const run = await space.run('run', 'job.ts', '-i', 'clicks=a.ndjson.gz', '-o', 'out');
    expectFailure(run, 1, space.path('a.ndjson.gz'), 'ends in the middle of its gzip data');
  });

  it('names a missing file and what is there instead', async () => {
    const space = workspace();
    space.write('job.ts', clicksJob());
    space.write('clicks.ndjson', ndjson(clicks(2)));
    expectFailure(
      await space.run('run', 'job.ts', '-i', 'clicks=click.ndjson'),
      1,
      'click.ndjson',
      'There: clicks.ndjson',
    );
  });

  it('takes an empty file for no rows', async () => {
    const space = workspace();
    space.write('job.ts', clicksJob());
    space.write('a.ndjson', '');
    const { code, stdout } = await space.run('run', 'job.ts', '-i', 'clicks=a.ndjson', '-o', 'out', '--flush');
    expect(code).toBe(0);
    expect(stdout).toContain('the input has none');
  });

  it('refuses a file that was changed after it was read', async () => {
    const space = workspace();
    space.write('job.ts', clicksJob());
    space.write('a.ndjson', ndjson(clicks(10)));
    await space.run('run', 'job.ts', '-i', 'clicks=a.ndjson', '-o', 'out');
    space.write('a.ndjson', ndjson(clicks(10, 1)));
    expectFailure(await space.run('run', 'job.ts', '-i', 'clicks=a.ndjson', '-o', 'out'), 1, 'was changed', 'new file');
  });

  it('says which place cannot be written, store or output', async () => {
    const space = workspace();
    space.write('job.ts', clicksJob());
    const file = space.write('a.ndjson', ndjson(clicks(200)));
    const store = await space.run('run', 'job.ts', '-i', 'clicks=a.ndjson', '--store', `${file}/store`);
    expectFailure(store, 1, `${file}/store`);
    const output = await space.run('run', 'job.ts', '-i', 'clicks=a.ndjson', '-o', `${file}/out`);
    expectFailure(output, 1, `${file}/out`, 'name another --output');
  });

  it('refuses a store of a newer format, and leaves it as it is', async () => {
    const space = workspace();
    space.write('job.ts', clicksJob());
    space.write('a.ndjson', ndjson(clicks(200)));
    await space.run('run', 'job.ts', '-i', 'clicks=a.ndjson', '-o', 'out');
    const directory = space.path('.misa/clicks/job.json~');
    const file = `${directory}/${readdirSync(directory).sort().at(-1)}`;
    const newer = readFileSync(file, 'utf8').replace('"version":1', '"version":99');
    writeFileSync(file, newer);
    const run = await space.run('run', 'job.ts', '-i', 'clicks=a.ndjson', '-o', 'out');
    expectFailure(run, 1, 'clicks/job.json', 'format version 99', 'newer Misa');
    expect(readFileSync(file, 'utf8')).toBe(newer);
  });

  it('refuses the output directory of another job', async () => {
    const space = workspace();
    space.write('job.ts', clicksJob());
    space.write('a.ndjson', ndjson(clicks(200)));
    await space.run('run', 'job.ts', '-i', 'clicks=a.ndjson', '-o', 'out');
    const before = readdirSync(space.path('out'));
    const run = await space.run('run', 'job.ts', '-i', 'clicks=a.ndjson', '-o', 'out', '--store', 'other');
    expectFailure(run, 1, 'out holds results of job clicks from another store');
    expect(readdirSync(space.path('out'))).toEqual(before);
  });

  it('refuses a job that would read its state differently, naming what changed', async () => {
    const space = workspace();
    space.write('job.ts', clicksJob());
    space.write('a.ndjson', ndjson(clicks(200)));
    await space.run('run', 'job.ts', '-i', 'clicks=a.ndjson', '-o', 'out');
    space.write('job.ts', clicksJob('{ partitions: 3 }'));
    const run = await space.run('run', 'job.ts', '-i', 'clicks=a.ndjson', '-o', 'out');
    expectFailure(run, 1, 'partitions: 2 in the store, 3 in the job');
  });

  it('works without its block cache, and says so', async () => {
    const space = workspace();
    space.write('job.ts', clicksJob());
    space.write('a.ndjson', ndjson(clicks(200)));
    await space.run('run', 'job.ts', '-i', 'clicks=a.ndjson', '-o', 'out');
    const { rmSync } = await import('node:fs');
    rmSync(space.path('.misa/.cache'), { recursive: true });
    space.write('.misa/.cache', 'in the way');
    space.write('b.ndjson', ndjson(clicks(200, 200)));
    const { code, stderr, stdout } = await space.run('run', 'job.ts', '-i', 'clicks=*.ndjson', '-o', 'out');
    expect(stderr).toContain('warning: there is no block cache');
    expect(stdout).toContain('200 read');
    expect(code).toBe(0);
  });
});
