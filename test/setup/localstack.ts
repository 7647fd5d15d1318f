/**
 * LocalStack for the tests: `MISA_TEST_LOCALSTACK_ENDPOINT`. A second service beside ministack, written by others, shows that a
 * contract is AWS's and not one emulator's. It runs without Docker: its core, installed from PyPI as of a day on which its
 * dependencies fitted, serves S3 and SQS. As it takes seconds to start, it is started only for test files that name the
 * variable, or the list of services (services.ts).
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestProject } from 'vitest/node';
import { type LocalServer, startLocalServer } from '../../lib/local-aws/local-server.ts';
import { installPython, type PythonPackages, pipInstall } from '../../lib/local-aws/python-packages.ts';
import { systemClock } from '../../lib/util/clock.ts';
import { provide } from './service.ts';

const VERSION = '4.9.2';
const AS_OF = '2025-10-20';
const NEEDS_IT = /MISA_TEST_LOCALSTACK_ENDPOINT|setup\/services/;

const PACKAGES: PythonPackages = {
  name: `localstack-${VERSION}`,
  python: [3, 11],
  steps: [
    pipInstall(['uv==0.13.9']),
    ['uv', 'pip', 'install', '--quiet', '--exclude-newer', AS_OF, `localstack-core[runtime]==${VERSION}`],
  ],
};

export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  if (!(await isNeeded(project))) return undefined;
  return provide({ name: 'LocalStack', variable: 'MISA_TEST_LOCALSTACK_ENDPOINT', start: startLocalStack });
}

/** Whether a test file that is asked for uses it. When files are watched, others may follow. */
async function isNeeded(project: TestProject): Promise<boolean> {
  if (project.vitest.config.watch) return true;
  // Not in vitest's types; without it, all files count.
  const { filenamePattern } = project.vitest as { filenamePattern?: string[] };
  const { testFiles } = await project.globTestFiles(filenamePattern);
  for (const file of testFiles) if (NEEDS_IT.test(await readFile(file, 'utf8'))) return true;
  return false;
}

export async function startLocalStack(folder: string): Promise<LocalServer> {
  const onProgress = (what: string): void => console.log(`${what}, once`);
  const python = await installPython(folder, PACKAGES, { onProgress });
  const data = await mkdtemp(path.join(tmpdir(), 'misa-localstack-'));
  const server = await startLocalServer({
    name: 'LocalStack',
    python,
    module: 'localstack.runtime.main',
    folder: data,
    env: (port) => ({
      GATEWAY_LISTEN: `127.0.0.1:${port}`,
      DISABLE_EVENTS: '1',
      SKIP_SSL_CERT_DOWNLOAD: '1',
      SERVICES: 's3,sqs',
      DNS_ADDRESS: '0', // no name server of its own
      // Else, in a container, it takes the container for its own and writes all over it.
      OVERRIDE_IN_DOCKER: '0',
      FILESYSTEM_ROOT: data,
    }),
    readyPath: '/_localstack/health',
    clock: systemClock,
  }).catch(async (error: unknown) => {
    await rm(data, { recursive: true, force: true });
    throw error;
  });
  // It loads a service at its first request, for seconds; so it does meanwhile.
  for (const query of ['', '?Action=ListQueues']) void fetch(`${server.endpoint}/${query}`).catch(() => {});
  return {
    ...server,
    async stop() {
      await server.stop();
      await rm(data, { recursive: true, force: true });
    },
  };
}
