/**
 * `npm run test:localstack`: the end-to-end test against LocalStack, with the same CDK app. Against an endpoint that is given
 * (`MISA_TEST_LOCALSTACK_ENDPOINT`), else against the image, started by Testcontainers where there is a Docker engine. Where
 * there is neither, it says so and is skipped.
 */
import { spawnSync } from 'node:child_process';
import { GenericContainer, getContainerRuntimeClient, Wait } from 'testcontainers';

const IMAGE = 'localstack/localstack:4.9.2';
const PORT = 4566;

async function withEndpoint(work: (endpoint: string) => number): Promise<number> {
  const given = process.env.MISA_TEST_LOCALSTACK_ENDPOINT;
  if (given !== undefined) return work(given);
  try {
    await getContainerRuntimeClient();
  } catch (error) {
    console.log(
      `skipped: there is no Docker engine to run ${IMAGE} (${(error as Error).message}). Start one, or name a LocalStack that runs in MISA_TEST_LOCALSTACK_ENDPOINT.`,
    );
    return 0;
  }
  const container = await new GenericContainer(IMAGE)
    .withExposedPorts(PORT)
    // Functions run in containers of their own, by way of the host's engine.
    .withBindMounts([{ source: '/var/run/docker.sock', target: '/var/run/docker.sock' }])
    .withWaitStrategy(Wait.forHttp('/_localstack/health', PORT))
    .start();
  try {
    return work(`http://${container.getHost()}:${container.getMappedPort(PORT)}`);
  } finally {
    await container.stop();
  }
}

process.exitCode = await withEndpoint((endpoint) => {
  const env = { ...process.env, MISA_TEST_DEPLOY_ENDPOINT: endpoint };
  const run = spawnSync('npx', ['vitest', 'run', 'test/e2e/deployed.test.ts'], { env, stdio: 'inherit' });
  return run.status ?? 1;
});
