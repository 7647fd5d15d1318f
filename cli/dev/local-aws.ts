/**
 * The AWS that `misa dev` runs on: a program on this machine, with its Python packages in a folder of Misa's cache. Before
 * it is started this process forgets every other AWS. It ends with `misa dev`, however that ends.
 */
import type { LocalCloud } from '../../lib/local-aws/local-clouds.ts';
import { systemClock } from '../../lib/util/clock.ts';
import { cacheFolder } from '../aws/cache-folder.ts';
import { enterLocalAws } from '../aws/environment.ts';
import type { Steps } from '../steps.ts';
import type { Session } from './session.ts';

export interface LocalAws {
  readonly endpoint: string;
  /** Ends it and all that it started. */
  stop(): Promise<void>;
}

export interface StartOptions {
  readonly cloud: LocalCloud;
  readonly session: Session;
  readonly steps: Steps;
  readonly port: number | undefined;
  readonly signal: AbortSignal;
}

export async function startLocalAws(options: StartOptions): Promise<LocalAws> {
  const { cloud, session, steps, port, signal } = options;
  const folder = cacheFolder('local-aws');
  steps.step('aws', `Starting a local AWS (${cloud.title})`);
  enterLocalAws(undefined);
  await cloud.install(folder, (text) => steps.note(`  ${text} (once; some ${cloud.installSeconds} s)`), signal);
  const server = await cloud.start({ folder, port, clock: systemClock, signal, temporary: session.temporary });
  session.add({ awsPid: server.pid, healthUrl: server.healthUrl });
  enterLocalAws(server.endpoint);
  steps.done(server.endpoint);
  return { endpoint: server.endpoint, stop: () => server.stop() };
}
