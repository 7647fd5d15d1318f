/**
 * LocalStack for the tests: `MISA_TEST_LOCALSTACK_ENDPOINT`. A second service beside ministack, written by others, shows that a
 * contract is AWS's and not one emulator's. As it takes seconds to start, it is started only for test files that name the
 * variable, or the list of services (services.ts).
 */
import { readFile } from 'node:fs/promises';
import type { TestProject } from 'vitest/node';
import type { LocalServer } from '../../lib/local-aws/local-server.ts';
import { installLocalStack, startLocalStack } from '../../lib/local-aws/localstack.ts';
import { systemClock } from '../../lib/util/clock.ts';
import { provide } from './service.ts';

const NEEDS_IT = /MISA_TEST_LOCALSTACK_ENDPOINT|setup\/services/;

export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  if (!(await isNeeded(project))) return undefined;
  return provide({ name: 'LocalStack', variable: 'MISA_TEST_LOCALSTACK_ENDPOINT', start });
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

async function start(folder: string): Promise<LocalServer> {
  await installLocalStack(folder, (what) => console.log(`${what}, once`));
  const server = await startLocalStack({ folder, clock: systemClock });
  // It loads a service at its first request, for seconds; so it does meanwhile.
  for (const query of ['', '?Action=ListQueues']) void fetch(`${server.endpoint}/${query}`).catch(() => {});
  return server;
}
