/**
 * The deployed job on a local AWS (docs/aws.md): how long an invocation takes, warm and cold, and how many requests a batch
 * makes. A local AWS shares this machine's processors with the functions, and its answers take what they take here: read
 * the requests and the ratios, not the milliseconds, as AWS's.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { LambdaClient, ListFunctionsCommand, UpdateFunctionConfigurationCommand } from '@aws-sdk/client-lambda';
import type { LocalServer } from '../lib/local-aws/local-server.ts';
import { installMinistack, startMinistack } from '../lib/local-aws/ministack.ts';
import { names, partitionPath } from '../lib/object-store/names.ts';
import type { ObjectStore } from '../lib/object-store/object-store.ts';
import { openStore, parseStoreUrl } from '../lib/object-store/store-spec.ts';
import type { Queue } from '../lib/queue/queue.ts';
import { SqsQueues } from '../lib/queue/sqs-queue.ts';
import { systemClock } from '../lib/util/clock.ts';
import { systemRandom } from '../lib/util/random.ts';
import { percentile } from './measure.ts';
import type { BenchOptions } from './options.ts';
import type { Finding } from './report.ts';

const PARTITIONS = 4;
const ROWS = 2000;
const FOLDER = path.resolve('node_modules/.cache/misa-local-aws');

/** A line that a function logs at the end of an invocation. */
interface InvocationLine {
  readonly function: string;
  readonly environment_invocation: number;
  readonly durationMs: number;
  readonly requests: Readonly<Record<string, number>>;
}

interface Deployed {
  readonly store: ObjectStore;
  readonly input: Queue;
}

export async function benchDeployed({ quick }: BenchOptions): Promise<Finding> {
  const [warmBatches, coldBatches] = quick ? [15, 2] : [120, 8];
  const lines: InvocationLine[] = [];
  await installMinistack(FOLDER, (what) => console.log(what));
  const folder = mkdtempSync(path.join(tmpdir(), 'misa-bench-deployed-'));
  const server = await startMinistack({ folder: FOLDER, clock: systemClock, onOutput: collect(lines) });
  try {
    const deployed = await deploy(server, folder);
    let n = 0;
    const batch = async (): Promise<number> => {
      n++;
      const startMs = performance.now();
      await deployed.input.send([{ body: JSON.stringify({ misa: 1, source: 'events', rows: rowsOf(n) }) }]);
      await committed(deployed.store, n);
      return performance.now() - startMs;
    };
    // Everything is there once before it is timed.
    for (let i = 0; i < 8; i++) await batch();
    await systemClock.sleep(1500);
    lines.length = 0;
    const warm: number[] = [];
    for (let i = 0; i < warmBatches; i++) warm.push(await batch());
    await systemClock.sleep(1500);
    const warmLines = lines.splice(0);
    const cold: number[] = [];
    for (let i = 0; i < coldBatches; i++) {
      await systemClock.sleep(1500);
      await allCold(i);
      cold.push(await batch());
    }
    await systemClock.sleep(1500);
    return finding(warm, cold, warmLines, lines, warmBatches);
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function finding(
  warm: readonly number[],
  cold: readonly number[],
  warmLines: readonly InvocationLine[],
  coldLines: readonly InvocationLine[],
  batches: number,
): Finding {
  const functions = ['ingest', 'batch', 'preload', 'fold', 'compact'];
  const durations = (lines: readonly InvocationLine[], name: string, first: boolean): number[] =>
    lines
      .filter((line) => line.function === name && (line.environment_invocation === 1) === first)
      .map((line) => line.durationMs);
  const requests = new Map<string, number>();
  for (const line of warmLines) {
    for (const [name, count] of Object.entries(line.requests)) requests.set(name, (requests.get(name) ?? 0) + count);
  }
  const perBatch = (name: string): number => (requests.get(name) ?? 0) / batches;
  const invocations = warmLines.filter((line) => line.function !== 'maintain').length / batches;
  const perMillion = (a: number): number => (a * 1e6) / ROWS;
  return {
    name: 'deployed',
    tables: [
      {
        title: `From a message of ${ROWS} rows sent to all ${PARTITIONS} partitions committed, ms`,
        columns: ['', 'batches', 'p50', 'p99', 'most'],
        rows: [
          ['warm', warm.length, percentile(warm, 50), percentile(warm, 99), Math.max(...warm)],
          ['all functions cold', cold.length, percentile(cold, 50), percentile(cold, 99), Math.max(...cold)],
        ],
      },
      {
        title:
          'Invocations, ms (a cold one counts from its first line of code: the start of its process is in the table above)',
        columns: ['function', 'warm', 'p50', 'p99', 'cold', 'p50', 'p99'],
        rows: functions.map((name) => {
          const [w, c] = [durations(warmLines, name, false), durations(coldLines, name, true)];
          return [name, w.length, percentile(w, 50), percentile(w, 99), c.length, percentile(c, 50), percentile(c, 99)];
        }),
      },
      {
        title: `Requests of the functions a batch, ${PARTITIONS} partitions (receives and deletes are the platform's: one each an invocation)`,
        columns: ['request', 'a batch', `a million events in batches of ${ROWS}`],
        rows: [
          ...[...requests.keys()].sort().map((name) => [name, perBatch(name), perMillion(perBatch(name))] as const),
          ['invocations', invocations, perMillion(invocations)] as const,
        ],
      },
    ],
    budgets: [],
    plots: {},
    data: { warm, cold, warmLines, coldLines },
  };
}

function rowsOf(n: number): unknown[] {
  return Array.from({ length: ROWS }, (_, i) => ({ t: n * 1000 + (i % 1000), k: `key-${(i * 7919) % 500}`, v: i }));
}

/** Collects what functions log when they end. */
function collect(lines: InvocationLine[]): (text: string) => void {
  let rest = '';
  return (text) => {
    const all = (rest + text).split('\n');
    rest = all.pop()!;
    for (const line of all) {
      if (!line.startsWith('{') || !line.includes('"invocation"')) continue;
      const parsed = JSON.parse(line) as InvocationLine & { message?: string };
      if (parsed.message === 'invocation') lines.push(parsed);
    }
  };
}

async function committed(store: ObjectStore, n: number): Promise<void> {
  const jobNames = names('deployed', 1);
  for (let p = 0; p < PARTITIONS; p++) {
    const name = jobNames.log(partitionPath(0, p), n);
    while (!(await store.get(name, { range: { offset: 0, length: 1 } })).found) await systemClock.sleep(5);
  }
}

/** Takes all environments away, as AWS does when a function's settings change. */
async function allCold(round: number): Promise<void> {
  const lambda = new LambdaClient({});
  const { Functions = [] } = await lambda.send(new ListFunctionsCommand({ MaxItems: 1000 }));
  for (const { FunctionName = '', Environment } of Functions) {
    if (!/Ingest|Batch|Preload|Fold|Compact/.test(FunctionName)) continue;
    const Variables = { ...Environment?.Variables, BENCH_ROUND: String(round) };
    await lambda.send(new UpdateFunctionConfigurationCommand({ FunctionName, Environment: { Variables } }));
  }
}

async function deploy(server: LocalServer, folder: string): Promise<Deployed> {
  const region = 'us-east-1';
  Object.assign(process.env, {
    AWS_ENDPOINT_URL: server.endpoint,
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_REGION: region,
    CDK_DEFAULT_ACCOUNT: '000000000000',
    CDK_DEFAULT_REGION: region,
    CDK_DISABLE_CLI_TELEMETRY: '1',
  });
  const require = createRequire(import.meta.url);
  const cdk = path.join(path.dirname(require.resolve('aws-cdk/package.json')), 'bin/cdk');
  const app = `${process.execPath} ${path.resolve('dist/cdk/app.js')} ${path.resolve('bench/deployed-job.ts')}`;
  const common = ['--app', app, '--output', path.join(folder, 'cdk.out')];
  const outputs = path.join(folder, 'outputs.json');
  const run = promisify(execFile);
  await run(process.execPath, [cdk, 'bootstrap', ...common]);
  await run(process.execPath, [cdk, 'deploy', ...common, '--require-approval', 'never', '--outputs-file', outputs]);
  const [stack] = Object.values(JSON.parse(readFileSync(outputs, 'utf8')) as Record<string, Record<string, string>>);
  const options = { clock: systemClock, random: systemRandom };
  return {
    store: await openStore(parseStoreUrl(stack!.Store!, server.endpoint), options),
    input: (await SqsQueues.open(options)).queue(stack!.InputQueueUrl!),
  };
}
