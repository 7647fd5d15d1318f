/** The local clouds: what stands for AWS on this machine, without Docker. All are installed, started and ended alike. */
import type { LocalServer, LocalServerOptions } from './local-server.ts';
import { installLocalStack, LOCALSTACK_VERSION, startLocalStack } from './localstack.ts';
import { installMinistack, MINISTACK_VERSION, startMinistack } from './ministack.ts';
import type { Install } from './python-packages.ts';

export type LocalCloudName = 'ministack' | 'localstack';

export interface StartCloudOptions extends Pick<LocalServerOptions, 'clock' | 'port' | 'signal' | 'onOutput'> {
  /** Where it is installed. */
  readonly folder: string;
  /** Where it may keep files while it runs. */
  readonly temporary: string;
}

export interface LocalCloud {
  readonly name: LocalCloudName;
  /** For people. */
  readonly title: string;
  readonly version: string;
  /** Of its first installation, about. */
  readonly installSeconds: number;
  readonly install: Install;
  readonly start: (options: StartCloudOptions) => Promise<LocalServer>;
}

export const LOCAL_CLOUDS: Readonly<Record<LocalCloudName, LocalCloud>> = {
  ministack: {
    name: 'ministack',
    title: 'ministack',
    version: MINISTACK_VERSION,
    installSeconds: 20,
    install: installMinistack,
    start: ({ temporary, ...options }) =>
      startMinistack({ ...options, env: { TMPDIR: temporary, MINISTACK_REGION: 'us-east-1' } }),
  },
  localstack: {
    name: 'localstack',
    title: 'LocalStack',
    version: LOCALSTACK_VERSION,
    installSeconds: 40,
    install: installLocalStack,
    start: startLocalStack,
  },
};
