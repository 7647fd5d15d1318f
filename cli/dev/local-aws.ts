/**
 * The AWS that `misa dev` runs on: a program on this machine, with its Python packages in a folder of Misa's cache. Before
 * it is started this process forgets every other AWS. It ends with `misa dev`, however that ends.
 */
import { installMinistack, startMinistack } from '../../lib/local-aws/ministack.ts';
import { systemClock } from '../../lib/util/clock.ts';
import { cacheFolder } from '../aws/cache-folder.ts';
import { enterLocalAws, LOCAL_REGION } from '../aws/environment.ts';
import type { Steps } from '../steps.ts';
import type { Session } from './session.ts';

export interface LocalAws {
  readonly endpoint: string;
  /** Ends it and all that it started. */
  stop(): Promise<void>;
}

export interface StartOptions {
  readonly session: Session;
  readonly steps: Steps;
  readonly port: number | undefined;
  readonly signal: AbortSignal;
}

export async function startLocalAws({ session, steps, port, signal }: StartOptions): Promise<LocalAws> {
  const folder = cacheFolder('local-aws');
  steps.step('aws', 'Starting a local AWS');
  enterLocalAws(undefined);
  await installMinistack(folder, (text) => steps.note(`  ${text} (once; some 20 s)`), signal);
  const server = await startMinistack({
    folder,
    port,
    clock: systemClock,
    signal,
    env: { TMPDIR: session.temporary, MINISTACK_REGION: LOCAL_REGION },
  });
  session.add({ awsPid: server.pid, endpoint: server.endpoint });
  enterLocalAws(server.endpoint);
  steps.done(server.endpoint);
  return { endpoint: server.endpoint, stop: () => server.stop() };
}
