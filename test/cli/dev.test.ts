/**
 * `misa dev` as a user gives it: a real deployment to a local AWS, flights uploaded to it, results as `misa run` gives them,
 * and nothing left running, however it ends.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../lib/util/clock.ts';
import { CACHE_FOLDER } from '../setup/service.ts';
import { parseLines, REPOSITORY, type Started, sorted, Workspace } from './helpers.ts';

const JOB = path.join(REPOSITORY, 'examples/departures/job.ts');
const FLIGHTS = path.join(REPOSITORY, 'examples/departures/data/flights-2013.ndjson.gz');

/** An account that must never be asked. */
const REAL_AWS = {
  AWS_ACCESS_KEY_ID: 'AKIAREALREALREALREAL',
  AWS_SECRET_ACCESS_KEY: 'real',
  AWS_PROFILE: 'production',
  AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:9',
  AWS_REGION: 'eu-west-1',
};

const space = new Workspace();
const environment = { ...REAL_AWS, XDG_CACHE_HOME: space.path('cache') };
const running: Started[] = [];

function dev(...args: string[]): Started {
  const started = space.start(['dev', ...args], environment);
  running.push(started);
  return started;
}

beforeAll(() => {
  // What the tests have installed is used here, too.
  mkdirSync(space.path('cache/misa'), { recursive: true });
  mkdirSync(CACHE_FOLDER, { recursive: true });
  symlinkSync(CACHE_FOLDER, space.path('cache/misa/local-aws'));
  const lines = gunzipSync(readFileSync(FLIGHTS)).toString().split('\n').slice(0, 8000);
  const half = lines.length / 2;
  for (const [i, part] of [lines.slice(0, half), lines.slice(half)].entries()) {
    writeFileSync(space.path(`flights-${i}.ndjson.gz`), gzipSync(`${part.join('\n')}\n`));
  }
});
afterEach(async () => {
  for (const { child, finished } of running.splice(0)) {
    child.kill('SIGKILL');
    await finished;
  }
});
afterAll(() => space.remove());

/** Processes that were started with this test's cache for their files, as their arguments or their environment say. */
function leftRunning(): string[] {
  const lines = execFileSync('ps', ['axeww', '-o', 'pid,args'], { encoding: 'utf8', maxBuffer: 2 ** 26 }).split('\n');
  return lines.filter((line) => line.includes(space.directory) && !line.includes('ps axeww'));
}

async function expectNothingLeft(): Promise<void> {
  // However slow the machine is, they end; what does not end runs into the time-out of the test.
  while (leftRunning().length > 0) await systemClock.sleep(250);
}

describe.skipIf(process.env.MISA_TEST_S3_ENDPOINT === undefined)('misa dev', () => {
  it.each([
    { aws: [], cloud: 'ministack' },
    { aws: ['--aws', 'localstack'], cloud: 'LocalStack' },
  ])('gives what misa run gives, ends with 0, and leaves nothing, on $cloud', async ({ aws, cloud }) => {
    const input = ['--input', 'flights=flights-*.ndjson.gz', '--flush', '--output'];
    const local = await dev(JOB, ...aws, ...input, `deployed-${cloud}`, '--once', '--json').finished;
    expect(local.stderr).toBe('');
    expect(local.code).toBe(0);
    const events = parseLines(local.stdout);
    expect(events.find((event) => event.event === 'start')).toMatchObject({
      job: 'departures',
      stack: 'Misa-departures',
    });
    expect(events.at(-1)).toMatchObject({ event: 'end', reason: 'read', rows: 8000, quarantined: 0, warnings: [] });
    await expectNothingLeft();
    expect(readdirSync(space.path('cache/misa/dev/sessions'))).toEqual([]);

    const embedded = await space.run('run', JOB, ...input, `embedded-${cloud}`, '--store', `store-${cloud}`);
    expect(embedded.code).toBe(0);
    for (const output of ['hourly', 'late']) {
      const rows = space.results(output, `deployed-${cloud}`);
      expect(sorted(rows)).toEqual(sorted(space.results(output, `embedded-${cloud}`)));
      if (output === 'hourly') expect(rows.length).toBeGreaterThan(1000);
    }
  });

  it('says what a function failed with, and ends with 1', async () => {
    space.write(
      'throws.ts',
      `import { count, job, source, tumbling } from 'misa';
       const flights = source<{ event_time: number; carrier: string }>('flights', { eventTime: (f) => f.event_time, delay: '3 hours' });
       const counted = count((f: { carrier: string }) => { if (f.carrier === 'UA') throw new Error('no UA here'); return true; });
       export default job('throws', flights.keyBy((f) => f.carrier).window(tumbling('1 hour')).aggregate({ n: counted }), { partitions: 1 });`,
    );
    const { code, stderr } = await dev('throws.ts', '-i', 'flights=flights-0.ndjson.gz', '--once', '-o', 'none')
      .finished;
    expect(stderr).toMatch(/^misa: partition s0\/p0 of job throws is halted at batch 1: .*no UA here/m);
    expect(stderr).not.toContain('    at ');
    expect(code).toBe(1);
    await expectNothingLeft();
  });

  it('follows until Ctrl-C, prints rows that are sent from elsewhere, and takes everything down, and has no changed job', async () => {
    const started = dev(JOB, '--partitions', '2', '--output', '-');
    await started.seen('Following (Ctrl-C ends it)');
    await started.seen('misa status departures --stack');
    const endpoint = /AWS_ENDPOINT_URL=(\S+)/.exec(started.text())![1]!;
    const local = {
      AWS_ENDPOINT_URL: endpoint,
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      AWS_REGION: 'us-east-1',
    };
    const send = await space.start(['send', 'flights', 'flights-0.ndjson.gz', '--flush'], local).finished;
    expect(send.code).toBe(0);
    await started.seen('"output":"hourly"');
    const status = await space.start(['status', 'departures', '--stack', '--json'], local).finished;
    expect(parseLines(status.stdout)).toMatchObject([{ partitions: 2, stack: 'Misa-departures' }]);
    const deploy = await space.start(['deploy', JOB, '--partitions', '3', '--yes'], {
      XDG_CACHE_HOME: environment.XDG_CACHE_HOME,
      ...local,
    }).finished;
    expect(deploy.stderr).toMatch(
      /^misa: deploying Misa-departures: refused, and rolled back\..*partitions: 2 in the store, 3 in the job/m,
    );
    expect(deploy.code).toBe(1);
    started.child.kill('SIGINT');
    const { code, stdout, stderr } = await started.finished;
    expect(stderr).toContain('departures: stopped');
    expect(code).toBe(0);
    expect(parseLines(stdout)[0]).toMatchObject({ output: 'hourly', row: { departures: expect.any(Number) } });
    await expectNothingLeft();
    expect(readdirSync(space.path('cache/misa/dev/sessions'))).toEqual([]);
  });

  it('leaves no process of LocalStack when it is killed, frozen functions included', async () => {
    const started = dev(JOB, '--aws', 'localstack', '-i', 'flights=flights-0.ndjson.gz', '--flush', '--output', '-');
    await started.seen('"output":"hourly"');
    expect(leftRunning().filter((line) => line.includes('bootstrap.mjs')).length).toBeGreaterThan(3);
    started.child.kill('SIGKILL');
    await started.finished;
    await expectNothingLeft();
  });

  it('refuses a local AWS that it does not know', async () => {
    const { code, stderr } = await dev(JOB, '--aws', 'moto').finished;
    expect(stderr).toMatch(/--aws <cloud>.*'moto' is invalid.*ministack, localstack/);
    expect(code).toBe(2);
  });

  it('leaves no process when it is killed, and the next start removes its files', async () => {
    const started = dev(JOB);
    await started.seen('Deploying Misa-departures');
    await systemClock.sleep(1500);
    started.child.kill('SIGKILL');
    await started.finished;
    await expectNothingLeft();
    const [session] = readdirSync(space.path('cache/misa/dev/sessions'));
    const next = dev(JOB);
    await next.seen('Bundling departures');
    expect(existsSync(space.path('cache/misa/dev/sessions', session!))).toBe(false);
    next.child.kill('SIGTERM');
    expect((await next.finished).code).toBe(0);
    await expectNothingLeft();
  });
});
