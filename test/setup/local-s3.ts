/**
 * Gives the tests a real S3 API on this machine: ministack, a local AWS from PyPI, in a folder of its own under
 * `node_modules`, installed once. An endpoint that is given (`MISA_TEST_S3_ENDPOINT`) is used instead. Without Python the
 * tests against S3 are skipped, loudly; in CI that is a failure.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const PACKAGES = ['ministack==1.5.33', 'boto3==1.43.106'];
const FOLDER = path.resolve('node_modules/.cache/misa-local-s3');
const PYTHON = path.join(FOLDER, 'bin/python');
const READY_MS = 60_000;

export default async function setup(): Promise<(() => void) | undefined> {
  if (process.env.MISA_TEST_S3_ENDPOINT !== undefined) return undefined;
  try {
    install();
  } catch (error) {
    const reason = `the local S3 cannot be installed (python3 with venv and pip is needed): ${String(error).split('\n')[0]}`;
    if (process.env.CI !== undefined) throw new Error(reason);
    console.warn(`\n  TESTS AGAINST S3 ARE SKIPPED: ${reason}\n`);
    return undefined;
  }
  const port = await freePort();
  const server = spawn(path.join(FOLDER, 'bin/ministack'), {
    env: { ...process.env, GATEWAY_PORT: String(port), BIND_HOST: '127.0.0.1' },
    cwd: FOLDER,
    stdio: 'ignore',
  });
  const endpoint = `http://127.0.0.1:${port}`;
  await ready(server, endpoint);
  process.env.MISA_TEST_S3_ENDPOINT = endpoint;
  return () => void server.kill('SIGKILL');
}

function install(): void {
  const done = path.join(FOLDER, `${PACKAGES.join('+')}.installed`);
  if (existsSync(done)) return;
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(path.dirname(FOLDER), { recursive: true });
  console.log(`installing a local S3 (${PACKAGES.join(', ')}) in ${path.relative('.', FOLDER)}, once`);
  execFileSync('python3', ['-m', 'venv', FOLDER], { stdio: 'pipe' });
  execFileSync(PYTHON, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...PACKAGES], {
    stdio: 'pipe',
  });
  mkdirSync(done, { recursive: true });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

async function ready(server: ChildProcess, endpoint: string): Promise<void> {
  for (let waited = 0; waited < READY_MS; waited += 200) {
    if (server.exitCode !== null) throw new Error(`the local S3 ended with code ${server.exitCode}`);
    try {
      await fetch(endpoint);
      return;
    } catch {
      await sleep(200);
    }
  }
  server.kill('SIGKILL');
  throw new Error(`the local S3 did not answer at ${endpoint} within ${READY_MS / 1000} s`);
}
