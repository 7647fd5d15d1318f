/** Both local services, until the configuration names them one by one. */
import type { TestProject } from 'vitest/node';
import ministack from './local-aws.ts';
import localstack from './localstack.ts';

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const stops = await Promise.all([ministack(), localstack(project)]);
  return async () => {
    await Promise.all(stops.map((stop) => stop?.()));
  };
}
