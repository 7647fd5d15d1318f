/**
 * `npm run test:localstack`: the end-to-end tests on LocalStack, one after the other. On the one whose endpoint is given by
 * `MISA_TEST_LOCALSTACK_ENDPOINT` (its image, say), else on one without Docker that is installed and started here. Where that
 * cannot be installed the test is skipped, loudly; in CI that is a failure.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { errorText } from '../../lib/errors.ts';
import { installLocalStack } from '../../lib/local-aws/localstack.ts';
import { CACHE_FOLDER } from '../setup/service.ts';

const HEALTH = '/_localstack/health';
const PATIENCE_MS = 60_000;
const TESTS = 'test/e2e';
const VITEST = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url));

process.exitCode = await main(process.argv[2] ?? TESTS);

async function main(test: string): Promise<number> {
  if (!existsSync(test)) return fail(`there is no ${test}; run this in the folder of the repository`);
  const { MISA_TEST_LOCALSTACK_ENDPOINT: given = '', CI } = process.env;
  if (given !== '') {
    const reason = await unreachable(given);
    if (reason !== undefined) return fail(`MISA_TEST_LOCALSTACK_ENDPOINT is ${given}, and ${reason}`);
    return runTest(test, { MISA_TEST_DEPLOY_ENDPOINT: given });
  }
  try {
    await installLocalStack(CACHE_FOLDER, (what) => console.log(`${what}, once`));
  } catch (error) {
    if (CI !== undefined) return fail(errorText(error));
    console.warn(`\n  THE TEST ON LOCALSTACK IS SKIPPED: ${errorText(error)}\n`);
    return 0;
  }
  return runTest(test, { MISA_TEST_CLOUDS: 'localstack' });
}

async function unreachable(endpoint: string): Promise<string | undefined> {
  try {
    const { ok, status } = await fetch(new URL(HEALTH, endpoint), { signal: AbortSignal.timeout(PATIENCE_MS) });
    return ok ? undefined : `${HEALTH} answers ${status} there: is it LocalStack?`;
  } catch (error) {
    return `nobody answers there (${errorText(error)})`;
  }
}

function runTest(test: string, env: Record<string, string>): Promise<number> {
  const vitest = spawn(process.execPath, [VITEST, 'run', '--no-file-parallelism', test], {
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  return new Promise((resolve) => {
    vitest.once('exit', (code) => resolve(code ?? 1));
    vitest.once('error', (error) => resolve(fail(`vitest cannot be started: ${errorText(error)}`)));
  });
}

function fail(reason: string): number {
  console.error(`cannot run the end-to-end test on LocalStack: ${reason}`);
  return 1;
}
