/** `misa check`: says what a job is and what its state makes of it, and leaves no trace. */
import { cpSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Finished, ndjson, parseLines, Workspace } from './helpers.ts';

const space = new Workspace();
afterAll(() => space.remove());

const jobWith = (columns: string, options = ''): string => `
import { avg, count, job, max, source, sum } from 'misa';
const paid = source<{ who: string; cents: number }>('paid');
const v = (p: { cents: number }) => p.cents;
export default job('paid', paid.keyBy((p) => p.who).aggregate({ ${columns} }), { outputMode: 'update'${options} });
`;

beforeAll(async () => {
  space.write('job.ts', jobWith('n: count(), total: sum(v), mean: avg(v)'));
  space.write(
    'a.ndjson',
    ndjson([
      { who: 'ann', cents: 5 },
      { who: 'bob', cents: 7 },
    ]),
  );
  expect((await space.run('run', 'job.ts', '-i', 'paid=a.ndjson')).code).toBe(0);
}, 30_000);

function check(columns: string, options?: string, ...args: string[]): Promise<Finished> {
  space.write('job.ts', jobWith(columns, options));
  return space.run('check', 'job.ts', ...args);
}

function bytesOf(folder: string): Record<string, string> {
  const files = readdirSync(path.join(space.directory, folder), { recursive: true, withFileTypes: true });
  return Object.fromEntries(
    files
      .filter((file) => file.isFile())
      .map((file) => path.join(file.parentPath, file.name))
      .map((name) => [name, readFileSync(name).toString('hex')]),
  );
}

describe('misa check', () => {
  it('says what a job is, and that it goes on as it is, columns in any order', async () => {
    const { code, stdout } = await check('mean: avg(v), total: sum(v), n: count()');
    expect(code).toBe(0);
    expect(stdout).toBe(`paid: mode update, 1 partition, commit async
  from paid

  stage  operator     window  columns                       state
  0      aggregate#0          mean avg, total sum, n count  groups (keyed)

  output  rows    stage
  out     update  0

state in .misa: the job goes on from it as it is
`);
  });

  it('says what becomes of each column', async () => {
    const { code, stdout } = await check(
      'n: count(), sum: sum(v), most: max(v)',
      ", state: { renamed: { sum: 'total' } }",
    );
    expect(code).toBe(0);
    const [, told] = stdout.split('state in .misa: ');
    expect(told).toBe(`the job goes on from it with other columns
  operator         column  aggregate
  s0/o0 aggregate  n       count      goes on
  s0/o0 aggregate  sum     sum        was total, and goes on
  s0/o0 aggregate  most    max        new: in groups that are there it begins with the next batch, as if no row had come before
  s0/o0 aggregate  mean    avg        gone: what it held is lost
`);
  });

  it('says why a job cannot go on, with exit code 1', async () => {
    const { code, stdout } = await check('n: count(), sum: sum(v), mean: max(v)');
    expect(code).toBe(1);
    expect(stdout).toContain('state in .misa: the job cannot go on from it\n');
    expect(stdout).toContain('column total (sum) is in the store and not in the job, which has sum (sum) new');
    expect(stdout).toContain('column mean is avg in the store, max in the job');
    const { code: again, stdout: json } = await check('n: sum(v)', '', '--json');
    expect(again).toBe(1);
    expect(parseLines(json)).toMatchObject([
      {
        job: 'paid',
        state: { verdict: 'refused', refusals: [expect.stringContaining('column n is count in the store')] },
      },
    ]);
  });

  it('finds no state where there is none, and makes none', async () => {
    const { code, stdout } = await check('n: count()', '', '--store', 'nowhere', '--json');
    expect(code).toBe(0);
    expect(parseLines(stdout)).toMatchObject([
      {
        sources: ['paid'],
        stages: [{ operators: [{ name: 'aggregate#0', tables: [{ name: 'groups', kind: 'keyed' }] }] }],
        state: { store: 'nowhere', verdict: 'none' },
      },
    ]);
    expect(existsSync(path.join(space.directory, 'nowhere'))).toBe(false);
  });

  it('cannot check what is no job, and is told what it is to check', async () => {
    expect(await space.run('check', 'nix.ts')).toMatchObject({ code: 1, stdout: '' });
    expect(await space.run('check')).toMatchObject({ code: 2, stdout: '' });
  });

  it('writes nothing, and a run that is refused writes nothing', async () => {
    const before = bytesOf('.misa');
    await check('n: count(), most: max(v)');
    await check('n: sum(v)');
    space.write('b.ndjson', ndjson([{ who: 'ann', cents: 1 }]));
    const { code, stderr } = await space.run('run', 'job.ts', '-i', 'paid=a.ndjson', '-i', 'paid=b.ndjson');
    expect(code).toBe(1);
    expect(stderr).toContain('does not fit its state in this store: stage 0, aggregate: column n is count');
    expect(bytesOf('.misa')).toEqual(before);
  });

  it('is what a run does, which warns of it once', async () => {
    cpSync(path.join(space.directory, '.misa'), path.join(space.directory, 'changed'), { recursive: true });
    space.write('job.ts', jobWith('most: max(v), n: count()'));
    space.write('b.ndjson', ndjson([{ who: 'ann', cents: 1 }]));
    const args = ['run', 'job.ts', '--store', 'changed', '-i', 'paid=a.ndjson', '-i', 'paid=b.ndjson'];
    const first = await space.run(...args);
    expect(first).toMatchObject({ code: 0, stdout: '{"key":"ann","most":1,"n":2}\n' });
    expect(first.stderr).toContain('warning: stage 0, aggregate: column most (max) is new');
    expect(first.stderr).toContain('warning: stage 0, aggregate: column total (sum) is gone');
    expect((await space.run(...args)).stderr).not.toContain('warning');
    const state = await space.run('state', 'scan', 'paid', '--store', 'changed', '--json');
    expect(parseLines(state.stdout)).toMatchObject([
      { key: 'ann', n: 2, most: 1 },
      { key: 'bob', n: 1, most: null },
    ]);
  });
});
