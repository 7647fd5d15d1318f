/**
 * Functions of the local clouds behave as on AWS: they stand still between invocations, and end at their time-out and at their
 * memory limit, with AWS's words in the log. Small functions, made by the Lambda API itself.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import {
  CreateFunctionCommand,
  DeleteFunctionCommand,
  InvokeCommand,
  LambdaClient,
  waitUntilFunctionActiveV2,
} from '@aws-sdk/client-lambda';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { logLines } from '../../cli/dev/local-calls.ts';
import { systemRandom } from '../../lib/util/random.ts';
import { services } from '../setup/services.ts';

const CODE = `
import { appendFileSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname } from 'node:path';
let pending;
const held = [];
export async function handler({ act, file, mib }) {
  const facts = { pid: process.pid, tmp: tmpdir(), name: process.env.AWS_LAMBDA_FUNCTION_NAME };
  switch (act) {
    case 'leave': // something that goes on after the answer
      pending = new Promise((resolve) => setTimeout(resolve, 3000)).then(() => appendFileSync(file, 'done'));
      return facts;
    case 'join':
      await pending;
      return facts;
    case 'block':
      console.log('before it blocks');
      for (;;) {}
    case 'hold':
      for (let i = 0; i < mib; i += 8) {
        held.push(Buffer.alloc(8 * 2 ** 20, i + 1));
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      return facts;
    case 'meet': // ends when two are there at once
      appendFileSync(file + process.pid, 'here');
      while (readdirSync(dirname(file)).filter((name) => name.startsWith(basename(file))).length < 2) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      return facts;
    case 'throw':
      throw new RangeError('out of cheese');
    case 'exit':
      process.exit(3);
    default:
      return facts;
  }
}`;

/** An archive of one file, as it is. */
function zipOf(name: string, text: string): Uint8Array {
  const [file, data] = [Buffer.from(name), Buffer.from(text)];
  const common = Buffer.alloc(26);
  common.writeUInt16LE(20, 0); // version needed
  common.writeUInt32LE(crc32(data), 10);
  common.writeUInt32LE(data.length, 14);
  common.writeUInt32LE(data.length, 18);
  common.writeUInt16LE(file.length, 22);
  const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), common, file, data]);
  const rest = Buffer.alloc(14);
  rest.writeUInt32LE((0o100644 << 16) >>> 0, 6);
  const central = Buffer.concat([Buffer.from('PK\x01\x02\x14\x03', 'latin1'), common, rest, file]);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(1, 4);
  end.writeUInt16LE(1, 6);
  end.writeUInt32LE(central.length, 8);
  end.writeUInt32LE(local.length, 12);
  return Buffer.concat([local, central, Buffer.from('PK\x05\x06', 'latin1'), end]);
}

interface Facts {
  readonly pid: number;
  readonly tmp: string;
  readonly name: string;
}

interface Answer {
  readonly facts: Facts;
  /** What the function failed with. */
  readonly failed: { readonly errorType: string; readonly errorMessage: string } | undefined;
  /** The last 4 KB of its log. */
  readonly log: string;
}

/** `T`: stopped. */
function stateOf(pid: number): string | undefined {
  return /^State:\s+(\w)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
}

for (const { name, endpoint } of services) {
  describe.skipIf(endpoint === undefined)(`functions of ${name}`, () => {
    const made: string[] = [];
    const folder = mkdtempSync(path.join(tmpdir(), 'misa-functions-'));
    let lambda: LambdaClient;
    let usual: string;

    async function make(settings: { MemorySize?: number; Timeout?: number; code?: string }): Promise<string> {
      const { MemorySize = 256, Timeout = 60, code = CODE } = settings;
      const FunctionName = `misa-test-${systemRandom.id()}`;
      made.push(FunctionName);
      await lambda.send(
        new CreateFunctionCommand({
          FunctionName,
          Role: 'arn:aws:iam::000000000000:role/any',
          Runtime: 'nodejs22.x',
          Handler: 'index.handler',
          Code: { ZipFile: zipOf('index.mjs', code) },
          MemorySize,
          Timeout,
        }),
      );
      await waitUntilFunctionActiveV2({ client: lambda, maxWaitTime: 300, minDelay: 1, maxDelay: 1 }, { FunctionName });
      return FunctionName;
    }

    async function invoke(FunctionName: string, event: object = {}): Promise<Answer> {
      const Payload = Buffer.from(JSON.stringify(event));
      const answer = await lambda.send(new InvokeCommand({ FunctionName, Payload, LogType: 'Tail' }));
      const body = JSON.parse(Buffer.from(answer.Payload ?? []).toString('utf8'));
      const log = Buffer.from(answer.LogResult ?? '', 'base64').toString('utf8');
      return { facts: body, failed: answer.FunctionError === undefined ? undefined : body, log };
    }

    beforeAll(async () => {
      lambda = new LambdaClient({ endpoint: endpoint!, region: 'us-east-1' });
      usual = await make({});
    });
    afterAll(async () => {
      for (const FunctionName of made) await lambda.send(new DeleteFunctionCommand({ FunctionName }));
      lambda.destroy();
      rmSync(folder, { recursive: true, force: true });
    });

    it('stand still between invocations, with their timers, and go on with the next', async () => {
      const file = path.join(folder, 'left');
      const first = await invoke(usual, { act: 'leave', file });
      if (process.platform === 'linux') expect(stateOf(first.facts.pid)).toBe('T');
      await sleep(5000); // more than its timer takes
      expect(existsSync(file)).toBe(false);
      const second = await invoke(usual, { act: 'join' });
      expect(second.facts).toEqual(first.facts);
      expect(readFileSync(file, 'utf8')).toBe('done');
    });

    it('are killed at their time-out, even where they block, and the next invocation has a new environment', async () => {
      const slow = await make({ Timeout: 6 });
      const before = await invoke(slow);
      const { failed, log } = await invoke(slow, { act: 'block' });
      expect(failed).toMatchObject({ errorType: 'Sandbox.Timedout' });
      expect(failed!.errorMessage).toMatch(/Task timed out after 6\.00 seconds$/);
      expect(log).toMatch(/Task timed out after 6\.00 seconds/);
      const after = await invoke(slow);
      expect(after.failed).toBeUndefined();
      expect(after.facts.pid).not.toBe(before.facts.pid);
      expect(existsSync(`/proc/${before.facts.pid}`)).toBe(false);
    });

    it('are killed when they take more memory than they have, and not before', async () => {
      const [small, large] = [await make({ MemorySize: 128 }), await make({ MemorySize: 512 })];
      const killed = await invoke(small, { act: 'hold', mib: 192 });
      expect(killed.failed!.errorMessage).toMatch(/^RequestId: \S+ Error: Runtime exited with error: signal: killed$/);
      expect(killed.log).toMatch(/Runtime exited with error: signal: killed/);
      expect((await invoke(small)).failed).toBeUndefined();
      expect((await invoke(large, { act: 'hold', mib: 192 })).failed).toBeUndefined();
    });

    it('say what they failed with', async () => {
      expect((await invoke(usual, { act: 'throw' })).failed).toMatchObject({ errorMessage: 'out of cheese' });
      expect((await invoke(usual)).failed).toBeUndefined();
      expect((await invoke(usual, { act: 'exit' })).failed).toBeDefined();
      expect((await invoke(usual)).failed).toBeUndefined();
    });

    // What ministack does not do: docs/aws.md.
    describe.runIf(name === 'LocalStack')('as ministack has them not', () => {
      it('have an environment each where they run side by side, with a folder for temporary files of its own', async () => {
        const wide = await make({ Timeout: 300 });
        const file = path.join(folder, 'here-');
        const both = await Promise.all([1, 2].map(() => invoke(wide, { act: 'meet', file })));
        const [one, other] = both.map(({ facts }) => facts);
        expect(one!.pid).not.toBe(other!.pid);
        expect(one!.tmp).not.toBe(other!.tmp);
      });

      it('keep their environment when the handler throws, and say how it ended', async () => {
        const { pid } = (await invoke(usual)).facts;
        expect((await invoke(usual, { act: 'throw' })).failed).toMatchObject({ errorType: 'RangeError' });
        expect((await invoke(usual)).facts.pid).toBe(pid);
        const { failed, log } = await invoke(usual, { act: 'exit' });
        expect(failed).toMatchObject({ errorType: 'Runtime.ExitError' });
        expect(failed!.errorMessage).toMatch(/Runtime exited with error: exit status 3$/);
        expect(log).toMatch(/^START [\s\S]*exit status 3\nRuntime\.ExitError\nEND [\s\S]*\tMemory Size: 256 MB\t/);
      });

      it('that cannot be loaded say why in their log group', async () => {
        const broken = await make({ code: 'throw new Error("cannot begin");' });
        expect((await invoke(broken)).failed).toMatchObject({ errorMessage: 'cannot begin' });
        const said = async () => {
          const lines = await logLines(endpoint!, `/aws/lambda/${broken}`, 0);
          return lines.map(({ text }) => text).join('\n');
        };
        await expect.poll(said, { timeout: 300_000 }).toMatch(/cannot begin/);
      });
    });
  });
}
