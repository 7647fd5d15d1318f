/**
 * How a local AWS comes to the tests: an endpoint that is given by its environment variable, else a server that is installed
 * once under `node_modules/.cache`, started before the tests and ended after them, however they end. Without a Python that
 * will do, the tests against it are skipped, loudly; in CI that is a failure.
 */
import path from 'node:path';
import { errorText } from '../../lib/errors.ts';
import type { LocalServer } from '../../lib/local-aws/local-server.ts';

export const CACHE_FOLDER = path.resolve('node_modules/.cache/misa-local-aws');

export interface TestService {
  readonly name: string;
  /** Where tests find its endpoint. */
  readonly variable: string;
  readonly start: (folder: string) => Promise<LocalServer>;
}

/** @returns what ends the service */
export async function provide({ name, variable, start }: TestService): Promise<(() => Promise<void>) | undefined> {
  if (process.env[variable] !== undefined) return undefined;
  let server: LocalServer;
  try {
    server = await start(CACHE_FOLDER);
  } catch (error) {
    const reason = `${name} cannot be used: ${errorText(error)}`;
    if (process.env.CI !== undefined) throw new Error(reason, { cause: error });
    console.warn(`\n  TESTS AGAINST ${name.toUpperCase()} ARE SKIPPED: ${reason}\n`);
    return undefined;
  }
  process.env[variable] = server.endpoint;
  return async () => {
    delete process.env[variable];
    await server.stop();
  };
}
