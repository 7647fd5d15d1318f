/**
 * A job really deployed: by the CDK's own command line, to a local AWS started here (or to an endpoint that is given), and
 * then used and mistreated as the tests like.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { InvokeCommand, LambdaClient, ListFunctionsCommand } from '@aws-sdk/client-lambda';
import { PutBucketNotificationConfigurationCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import {
  GetQueueAttributesCommand,
  ListQueuesCommand,
  PurgeQueueCommand,
  SendMessageCommand,
  SetQueueAttributesCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { LOCAL_CLOUDS, type LocalCloudName } from '../../lib/local-aws/local-clouds.ts';
import type { LocalServer } from '../../lib/local-aws/local-server.ts';
import { names } from '../../lib/object-store/names.ts';
import type { ObjectStore } from '../../lib/object-store/object-store.ts';
import { connectS3 } from '../../lib/object-store/s3-client.ts';
import { openStore, parseStoreUrl } from '../../lib/object-store/store-spec.ts';
import { systemClock } from '../../lib/util/clock.ts';
import { systemRandom } from '../../lib/util/random.ts';
import { listAll } from '../helpers/stores.ts';
import { CACHE_FOLDER } from '../setup/service.ts';

const run = promisify(execFile);
const REGION = 'us-east-1';

export class Deployment {
  readonly endpoint: string;
  readonly #server: LocalServer | undefined;
  readonly #folder: string;
  readonly #s3: S3Client;
  readonly sqs: SQSClient;
  readonly lambda: LambdaClient;
  outputs: Record<string, string> = {};
  store!: ObjectStore;

  private constructor(endpoint: string, server: LocalServer | undefined, folder: string, s3: S3Client) {
    this.endpoint = endpoint;
    this.#server = server;
    this.#folder = folder;
    this.#s3 = s3;
    const options = { endpoint, region: REGION };
    this.sqs = new SQSClient({ ...options, useQueueUrlAsEndpoint: false });
    this.lambda = new LambdaClient(options);
  }

  /** @param cloud one that is started for this, or the endpoint of a service that is there already */
  static async start(cloud: LocalCloudName | URL): Promise<Deployment> {
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_REGION: REGION });
    const folder = await mkdtemp(path.join(tmpdir(), 'misa-deployed-'));
    let server: LocalServer | undefined;
    if (!(cloud instanceof URL)) {
      const { install, start } = LOCAL_CLOUDS[cloud];
      await install(CACHE_FOLDER);
      server = await start({ folder: CACHE_FOLDER, clock: systemClock, temporary: folder });
    }
    const endpoint = server?.endpoint ?? (cloud as URL).origin;
    const { client } = await connectS3({ endpoint });
    return new Deployment(endpoint, server, folder, client);
  }

  async deploy(entry: string): Promise<void> {
    const app = `${process.execPath} ${path.resolve('dist/cdk/app.js')} ${path.resolve(entry)}`;
    const common = ['--app', app, '--output', path.join(this.#folder, 'cdk.out'), '--no-color'];
    await this.#cdk(['bootstrap', ...common]);
    const outputs = path.join(this.#folder, 'outputs.json');
    await this.#cdk(['deploy', ...common, '--require-approval', 'never', '--outputs-file', outputs]);
    this.outputs = Object.values(
      JSON.parse(await readFile(outputs, 'utf8')) as Record<string, Record<string, string>>,
    )[0]!;
    const spec = parseStoreUrl(this.outputs.Store!, this.endpoint);
    this.store = await openStore(spec, { clock: systemClock, random: systemRandom });
  }

  /** @throws with what the command said */
  async #cdk(args: readonly string[]): Promise<void> {
    const require = createRequire(import.meta.url);
    const bin = path.join(path.dirname(require.resolve('aws-cdk/package.json')), 'bin/cdk');
    const env = {
      ...process.env,
      AWS_ENDPOINT_URL: this.endpoint,
      AWS_DEFAULT_REGION: REGION,
      CDK_DEFAULT_ACCOUNT: '000000000000',
      CDK_DEFAULT_REGION: REGION,
      CDK_DISABLE_CLI_TELEMETRY: '1',
    };
    try {
      await run(process.execPath, [bin, ...args], { env, timeout: 180_000 });
    } catch (error) {
      const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
      throw new Error(`cdk ${args[0]} failed:\n${stdout}\n${stderr}`);
    }
  }

  async upload(source: string, name: string, body: Uint8Array): Promise<string> {
    const [, bucket, prefix] = /^s3:\/\/([^/]+)\/(.*)$/.exec(this.outputs.InputPrefix!)!;
    const Key = `${prefix}${source}/${name}`;
    await this.#s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: body }));
    return `s3://${bucket}/${Key}`;
  }

  /** From now on nobody is told of new objects. */
  async silence(): Promise<void> {
    const [, Bucket] = /^s3:\/\/([^/]+)\//.exec(this.outputs.InputPrefix!)!;
    await this.#s3.send(new PutBucketNotificationConfigurationCommand({ Bucket, NotificationConfiguration: {} }));
  }

  async send(queueUrl: string, body: unknown, group?: string): Promise<void> {
    const fifo = group === undefined ? {} : { MessageGroupId: group, MessageDeduplicationId: systemRandom.id() };
    await this.sqs.send(new SendMessageCommand({ QueueUrl: queueUrl, MessageBody: JSON.stringify(body), ...fifo }));
  }

  /** URLs of the job's queues by the end of their names: `input`, `s0p1.fifo`, `input-dead`. */
  async queues(): Promise<Map<string, string>> {
    const prefix = this.outputs
      .InputQueueUrl!.split('/')
      .at(-1)!
      .replace(/input$/, '');
    const { QueueUrls = [] } = await this.sqs.send(
      new ListQueuesCommand({ QueueNamePrefix: prefix, MaxResults: 1000 }),
    );
    return new Map(QueueUrls.map((url) => [url.split('/').at(-1)!.slice(prefix.length), url]));
  }

  async setQueue(url: string, attributes: Record<string, string>): Promise<void> {
    await this.sqs.send(new SetQueueAttributesCommand({ QueueUrl: url, Attributes: attributes }));
  }

  async purge(url: string): Promise<void> {
    await this.sqs.send(new PurgeQueueCommand({ QueueUrl: url }));
  }

  async depth(url: string): Promise<number> {
    const names = ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'] as const;
    const { Attributes = {} } = await this.sqs.send(
      new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: [...names] }),
    );
    return names.reduce((sum, name) => sum + Number(Attributes[name] ?? 0), 0);
  }

  /** Full name of the function whose name has this in it (`Ingest`, `s0p1`). */
  async functionName(part: string): Promise<string> {
    const { Functions = [] } = await this.lambda.send(new ListFunctionsCommand({ MaxItems: 1000 }));
    const stack = this.outputs.MaintainFunction!.split('-').slice(0, 2).join('-');
    const found = Functions.filter((f) => f.FunctionName!.startsWith(stack) && f.FunctionName!.includes(part));
    if (found.length !== 1) throw new Error(`${found.length} functions have ${part} in their name`);
    return found[0]!.FunctionName!;
  }

  async invoke(functionName: string, event: unknown): Promise<unknown> {
    const answer = await this.lambda.send(
      new InvokeCommand({ FunctionName: functionName, Payload: Buffer.from(JSON.stringify(event)) }),
    );
    const text = Buffer.from(answer.Payload ?? []).toString('utf8');
    if (answer.FunctionError !== undefined) throw new Error(`${functionName}: ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  }

  /** Sweeps, whatever the clock says. */
  async maintain(): Promise<void> {
    await this.invoke(this.outputs.MaintainFunction!, { force: true });
  }

  /** Process ids of warm environments of functions whose name has this in it. Of the local AWS that was started here only. */
  async environments(part = ''): Promise<number[]> {
    const found: number[] = [];
    for (const entry of await readdir('/proc')) {
      if (!/^\d+$/.test(entry)) continue;
      const variables = await readFile(`/proc/${entry}/environ`, 'utf8').catch(() => '');
      const name = /(?:^|\0)AWS_LAMBDA_FUNCTION_NAME=([^\0]*)/.exec(variables)?.[1];
      if (!name?.startsWith(this.#stack) || !name.includes(part)) continue;
      // What is started by it is in its process group, or has it as its parent.
      const [, , parent, group] = (await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => '')).split(' ');
      if ([parent, group].includes(String(this.#server?.pid))) found.push(Number(entry));
    }
    return found.sort();
  }

  /** Kills environments at once, as a crash of their machine would. */
  async kill(part = ''): Promise<number> {
    const pids = await this.environments(part);
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It had ended.
      }
    }
    return pids.length;
  }

  /** All rows of an output, and how many result objects there are. */
  async results(job: string, output: string): Promise<unknown[]> {
    const rows: unknown[] = [];
    for (const { name } of await listAll(this.store, `${names(job, 1).epochPrefix()}out/${output}/`)) {
      const answer = await this.store.get(name);
      const text = answer.found ? Buffer.from(answer.body).toString('utf8') : '';
      rows.push(
        ...text
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line) as unknown),
      );
    }
    return rows;
  }

  logs(): string {
    return this.#server?.logs() ?? '';
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  get #stack(): string {
    return this.outputs.MaintainFunction!.split('-').slice(0, 2).join('-');
  }
}
