/**
 * CDK is an optional peer of Misa: only who deploys needs it. Before a deployment begins, this sees that all of it is
 * there, where Misa's own app will look for it; else it gives the one command that installs it, with versions that were
 * tried together.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { MisaError } from '../../lib/errors.ts';

const PEERS = ['aws-cdk', 'aws-cdk-lib', 'constructs'] as const;

export interface CdkInstallation {
  /** The CDK's command line, a script for node. */
  readonly bin: string;
  readonly version: string;
}

/**
 * @param from file beside whose packages CDK is looked for; Misa's own by default
 * @throws {MisaError} `NO_CDK`
 */
export function findCdk(from: string = import.meta.url): CdkInstallation {
  const require = createRequire(from);
  const missing: string[] = [];
  let cli: string | undefined;
  for (const name of PEERS) {
    try {
      const file = require.resolve(`${name}/package.json`);
      if (name === 'aws-cdk') cli = file;
    } catch {
      missing.push(name);
    }
  }
  if (cli === undefined || missing.length > 0) throw noCdk(missing);
  const { bin, version } = JSON.parse(readFileSync(cli, 'utf8')) as { bin: Record<string, string>; version: string };
  return { bin: path.join(path.dirname(cli), bin.cdk!), version };
}

function noCdk(missing: readonly string[]): MisaError {
  const names =
    missing.length === 1 ? `${missing[0]} is` : `${missing.slice(0, -1).join(', ')} and ${missing.at(-1)} are`;
  const packages = PEERS.map((name) => `${name}@${testedVersion(name)}`).join(' ');
  return new MisaError(
    'NO_CDK',
    `${names} not installed beside Misa; deploying needs the AWS CDK. Install it: npm install --save-dev ${packages}`,
  );
}

/** The version that this Misa was tested with; its package accepts later ones, too. */
function testedVersion(name: string): string {
  // From cli/aws/ or dist/cli/aws/.
  const up = import.meta.url.endsWith('.js') ? '../../../package.json' : '../../package.json';
  const own = JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')) as {
    devDependencies: Record<string, string>;
  };
  return own.devDependencies[name]!;
}
