/** The harness of the test on LocalStack, where it need not start anything: when it fails, and when it may skip. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';

interface Ended {
  readonly code: number;
  readonly said: string;
}

const TSX = pathToFileURL(path.resolve('node_modules/tsx/dist/loader.mjs')).href;

/** Runs it with a test file that exists, and would fail if it were run. */
function run(env: Record<string, string>, file = path.resolve('package.json'), cwd = process.cwd()): Promise<Ended> {
  const { MISA_TEST_LOCALSTACK_ENDPOINT: _, CI: __, ...others } = process.env;
  const script = ['--import', TSX, path.resolve('test/localstack/run.ts'), file];
  return new Promise((resolve) => {
    execFile(process.execPath, script, { cwd, env: { ...others, ...env } }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, said: stdout + stderr });
    });
  });
}

/** A folder in which nothing is installed, and a path without Python. */
function bareMachine(): { folder: string; PATH: string } {
  const folder = mkdtempSync(path.join(tmpdir(), 'misa-bare-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const PATH = path.join(folder, 'bin');
  mkdirSync(PATH);
  symlinkSync(process.execPath, path.join(PATH, 'node'));
  return { folder, PATH };
}

it('without a Python that will do it is skipped, loudly, and fails in CI', async () => {
  const { folder, PATH } = bareMachine();
  const there = await run({ PATH }, undefined, folder);
  expect(there.said).toMatch(/THE TEST ON LOCALSTACK IS SKIPPED: there is no Python 3\.11 or newer/);
  expect(there.code).toBe(0);
  const inCi = await run({ PATH, CI: 'true' }, undefined, folder);
  expect(inCi.said).toMatch(/cannot run the end-to-end test on LocalStack: there is no Python 3\.11 or newer/);
  expect(inCi.code).toBe(1);
});

it('an endpoint that does not answer is a failure, not a reason to skip', async () => {
  const { code, said } = await run({ MISA_TEST_LOCALSTACK_ENDPOINT: 'http://127.0.0.1:1' });
  expect(said).toMatch(/MISA_TEST_LOCALSTACK_ENDPOINT is http:\/\/127\.0\.0\.1:1, and nobody answers there/);
  expect(code).toBe(1);
});

it('a test file that is not there is a failure', async () => {
  const { code, said } = await run({}, 'test/none.test.ts');
  expect(said).toMatch(/there is no test\/none\.test\.ts/);
  expect(code).toBe(1);
});
