/** `misa send`, `status --stack`, `resume --stack` and `destroy` on a stack in the local AWS of the tests. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { halt } from '../../lib/commit/halt.ts';
import { count, type Job, job, source, tumbling } from '../../lib/index.ts';
import { encodeLogEntry } from '../../lib/log/entry.ts';
import { loadManifest } from '../../lib/manifest/manifest-store.ts';
import { names, PLANNER, partitionPath } from '../../lib/object-store/names.ts';
import { encodePlan } from '../../lib/plan/plan.ts';
import { systemClock } from '../../lib/util/clock.ts';
import { systemRandom } from '../../lib/util/random.ts';
import { clicks, gzipped, ndjson, parseLines, type Started, Workspace } from './helpers.ts';
import { awsEnvironment, makeStackOfJob, type StackOfJob } from './stack-of-job.ts';

const endpoint = process.env.MISA_TEST_S3_ENDPOINT;

const definition = (name: string): Job<unknown> =>
  job(
    name,
    source<{ at: number; user: string }>('clicks', { eventTime: (c) => c.at, delay: '1 min' })
      .keyBy((c) => c.user)
      .window(tumbling('1 min'))
      .aggregate({ clicks: count() }),
    { partitions: 2 },
  );

describe.skipIf(endpoint === undefined)('commands for a deployed job', () => {
  const space = new Workspace();
  let stack: StackOfJob;
  const start = (...args: string[]): Started => space.start(args, awsEnvironment(endpoint!));
  const run = (...args: string[]): Started['finished'] => start(...args).finished;

  beforeAll(async () => {
    stack = await makeStackOfJob(endpoint!, definition('sent'));
  });
  afterAll(async () => {
    await stack?.remove();
    space.remove();
  });

  /** Makes a plan of an object, as ingest would. */
  async function plan(n: number, source: string, name: string): Promise<void> {
    const piece = { source, name, version: '', from: 0, to: 1, done: true };
    const { bytes } = encodePlan({
      n,
      kind: 'data',
      pieces: [piece],
      segment: null,
      counts: { rows: 1, dropped: 0, quarantined: 0 },
      inputs: {},
      watermark: null,
      previousWatermark: null,
      processingTime: 1,
      headHash: '',
      previousHash: '',
      attempt: 'test',
    });
    await stack.store.create(names('sent', 1).log(PLANNER, n), bytes);
  }

  /** Commits a batch of a partition, as its batch function would. */
  async function commit(n: number, partition: number, late: number): Promise<void> {
    const { bytes } = encodeLogEntry(
      {
        n,
        attempt: 'test',
        planHash: '',
        previousHash: '',
        publishedThrough: 0,
        outputs: [],
        nextPartitions: 0,
        changes: 0,
        counts: { rows: 10, late, skipped: 0, quarantined: 0, emitted: 0 },
        reads: { memory: 0, lmdb: 0, warm: 0, store: 0, requests: 0 },
      },
      new Uint8Array(0),
      [],
      [],
    );
    await stack.store.create(names('sent', 1).log(partitionPath(0, partition), n), bytes);
  }

  async function received(queue = stack.input): Promise<Record<string, unknown>[]> {
    const messages = await queue.receive({ max: 10, waitSeconds: 1 });
    await queue.delete(messages.map(({ receipt }) => receipt));
    return messages.map(({ body }) => JSON.parse(body) as Record<string, unknown>);
  }

  it('upload files under the source, named for their content, and only once', async () => {
    const bytes = gzipped(clicks(60));
    space.write('a.ndjson.gz', bytes);
    space.write('b.ndjson', ndjson(clicks(60, 60)));
    space.write('empty.ndjson', '');
    const first = await run('send', 'clicks', '*.ndjson*', '--json');
    expect(first.code).toBe(0);
    expect(parseLines(first.stdout).at(-1)).toMatchObject({ event: 'end', job: 'sent', files: 2, known: 0 });
    const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
    const objects = await stack.objects('in/sent/clicks/');
    expect([...objects.keys()]).toHaveLength(2);
    expect(objects.get(`in/sent/clicks/a-${hash}.ndjson.gz`)).toEqual(bytes);

    const second = await run('send', 'clicks', 'a.ndjson.gz', '--job', 'sent');
    expect(second).toMatchObject({ code: 0, stdout: expect.stringContaining('there already') });
    expect((await stack.objects('in/sent/')).size).toBe(2);
  });

  it('upload a large file in parts, the same bytes', async () => {
    const bytes = Buffer.alloc(40 << 20, '{"at":0,"user":"ann"}\n');
    space.write('large.ndjson', bytes);
    const { code } = await run('send', 'clicks', 'large.ndjson');
    expect(code).toBe(0);
    const [found] = [...(await stack.objects('in/sent/clicks/large-')).values()];
    expect(found?.equals(bytes)).toBe(true);
  });

  it('send rows as messages that say their source', async () => {
    space.write('rows.csv', 'at,user\n1000,ann\n2000,bob\n');
    const sent = await run('send', 'clicks', 'rows.csv', '--records', '--json');
    expect(sent.code).toBe(0);
    expect(parseLines(sent.stdout).at(-1)).toMatchObject({ rows: 2, messages: 1, bad: 0 });
    const rows = [
      { at: 1000, user: 'ann' },
      { at: 2000, user: 'bob' },
    ];
    expect(await received(stack.records)).toMatchObject([{ misa: 1, source: 'clicks', rows }]);
    expect(await received()).toEqual([]);
  });

  it('send rows to the one queue of a stack that version 0.1 deployed', async () => {
    const older = await makeStackOfJob(endpoint!, definition('older'), { records: false });
    const { code } = await run('send', 'clicks', 'rows.csv', '--records', '--job', 'older');
    expect(code).toBe(0);
    expect(await received(older.input)).toMatchObject([{ misa: 1, source: 'clicks' }]);
    await older.remove();
  });

  it('send rows of standard input as they come, and tell the lines that are none', async () => {
    const started = start('send', 'clicks', '-', '--json');
    started.child.stdin!.write('{"at":1}\n');
    await started.seen('1 row in 1 message');
    expect(await received(stack.records)).toMatchObject([{ rows: [{ at: 1 }] }]);
    started.child.stdin!.end('oops\n{"at":2}\n');
    const { code, stdout, stderr } = await started.finished;
    expect(code).toBe(1);
    expect(stderr).toContain('1 record was unreadable and not sent');
    expect(stdout).toContain('not sent: standard input, line 2: ');
    expect(parseLines(stdout).at(-1)).toMatchObject({ event: 'error', code: 'BAD_ROWS' });
    expect(await received(stack.records)).toMatchObject([{ rows: [{ at: 2 }] }]);
  });

  it('close the windows only when all that was sent is planned (⚑ flush-behind)', async () => {
    space.write('last.ndjson', ndjson(clicks(1, 500)));
    const started = start('send', 'clicks', 'last.ndjson', '--flush', '--json');
    await started.seen('"step":"plan"');
    await systemClock.sleep(1500);
    expect(await received()).toEqual([]);
    const [key] = [...(await stack.objects('in/sent/clicks/last-'))][0]!;
    await plan(1, 'clicks', `s3://${stack.bucket}/${key}`);
    expect((await started.finished).code).toBe(0);
    expect(await received()).toMatchObject([{ misa: 1, control: 'flush' }]);
  });

  it('wait for the batches of what they flushed, and tell how many rows were late', async () => {
    const started = start('send', 'clicks', '-', '--flush', '--json');
    started.child.stdin!.end('{"at":1}\n');
    await started.seen('"step":"plan"');
    const [{ id } = {}] = await received(stack.records);
    await plan(2, 'clicks', `message ${id}`);
    await started.seen('"step":"batches"');
    expect(await received()).toMatchObject([{ misa: 1, control: 'flush' }]);
    for (const n of [1, 2]) await commit(n, 0, 3);
    for (const n of [1, 2]) await commit(n, 1, 4);
    const { code, stdout } = await started.finished;
    expect(code).toBe(0);
    expect(parseLines(stdout).at(-1)).toMatchObject({ event: 'end', flushed: true, late: 14 });
    const status = await run('status', 'sent', '--stack');
    expect(status.stdout).toMatch(/in all +2 rows, 14 late/);
  });

  it('name the sources where there is none of that name, and send nothing', async () => {
    const { code, stderr } = await run('send', 'clickz', 'b.ndjson');
    expect(stderr).toBe("misa: job sent has no source 'clickz'; it has 'clicks'\n");
    expect(code).toBe(1);
  });

  it('say what is deployed where a stack or a job is not', async () => {
    const status = await run('status', 'clicks', '--stack');
    expect(status.code).toBe(1);
    expect(status.stderr).toMatch(
      /there is no stack Misa-clicks .* There: Misa-sent\. Deploy the job \(misa deploy JOB\.ts\)/,
    );
    const other = await run('status', 'clicks', '--stack', 'Misa-sent');
    expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining('holds job sent, not clicks') });
    const destroy = await run('destroy', 'clicks', '--yes');
    expect(destroy).toMatchObject({ code: 1, stderr: expect.stringContaining('there is no stack Misa-clicks') });
  });

  it('show the queues, and what was given up', async () => {
    await stack.input.send([{ body: '{}' }]);
    await stack.deadInput.send([{ body: '{}' }, { body: '{}' }]);
    const { code, stdout } = await run('status', 'sent', '--stack', '--json');
    expect(code).toBe(0);
    expect(parseLines(stdout)).toMatchObject([
      {
        job: 'sent',
        stack: 'Misa-sent',
        queues: [{ name: 'input', waiting: 1, inFlight: 0, delayed: 0, dead: 2 }, { name: 'records' }],
      },
    ]);
    const people = await run('status', 'sent', '--stack');
    expect(people.stdout).toMatch(/input +1 +0 +0 +2\n/);
    expect(people.stdout).toContain('messages were given up: 2 of input');
  });

  it('let a halted partition go on', async () => {
    const path = partitionPath(0, 1);
    const jobNames = names('sent', 1);
    const at = { n: 3, code: 'USER_FUNCTION', reason: 'no luck' };
    await halt({ store: stack.store, names: jobNames, path, random: systemRandom }, at);
    expect((await run('status', 'sent', '--stack')).stdout).toContain('s0/p1 is halted at batch 3: no luck');
    const wrong = await run('resume', 'sent', '--stack', '--partition', 's0/p7');
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('it has planner, s0/p0, s0/p1') });
    const { code, stdout } = await run('resume', 'sent', '--stack');
    expect(code).toBe(0);
    expect(stdout).toContain('s0/p1 goes on at batch 3; it was halted: no luck');
    expect((await loadManifest(stack.store, jobNames.manifest(path))).manifest.halted).toBeNull();
    expect((await run('resume', 'sent', '--stack')).stdout).toBe('no partition of job sent is halted\n');
  });

  it('destroy nothing that nobody has agreed to', async () => {
    const { code, stderr } = await run('destroy', 'sent');
    expect(code).toBe(2);
    expect(stderr).toContain('Nobody can be asked here: say --yes');
    expect((await run('status', 'sent', '--stack')).code).toBe(0);
  });

  it('take the stack down and leave the state', async () => {
    const kept = await run('destroy', 'sent', '--yes');
    expect(kept).toMatchObject({ code: 0, stdout: expect.stringContaining(`kept in s3://${stack.bucket}`) });
    expect((await stack.objects('misa/sent/')).size).toBeGreaterThan(0);
    expect((await run('status', 'sent', '--stack')).code).toBe(1);
  });

  it('delete the state with the stack where that is asked for', async () => {
    const dropped = await makeStackOfJob(endpoint!, definition('dropped'));
    const { code, stdout } = await run('destroy', 'dropped', '--delete-state', '--yes', '--json');
    expect(code).toBe(0);
    expect(parseLines(stdout).at(-1)).toMatchObject({
      event: 'end',
      job: 'dropped',
      keptState: null,
      deletedObjects: 1,
    });
    await expect(dropped.objects('')).rejects.toThrow(/bucket/i);
  });
});

describe('without AWS', () => {
  const space = new Workspace();
  afterAll(() => space.remove());

  it('commands say what was not reached', async () => {
    const env = awsEnvironment('http://127.0.0.1:9');
    const { code, stderr } = await space.start(['status', 'clicks', '--stack'], env).finished;
    expect(code).toBe(1);
    expect(stderr).toMatch(/^misa: looking for the stack Misa-clicks: .*127\.0\.0\.1:9/);
    expect(stderr).not.toContain('    at ');
  });
});
