/** The functions' code as an asset of the stack: bundled only when this stack is asked for, and named by the hash of its bytes. */
import path from 'node:path';
import { Architecture } from 'aws-cdk-lib/aws-lambda';
import { Asset } from 'aws-cdk-lib/aws-s3-assets';
import { Annotations, AssetHashType, BundlingOutput, DockerImage } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import { bundleJob, type HandlerModule } from './bundle.ts';
import type { Platform } from './native-addons.ts';

export interface CodeOptions {
  readonly entry: string;
  readonly architecture: Architecture;
  readonly sourceMaps: boolean;
  /** Which handlers the stack uses: without sinks the clients of what they write to are left out. */
  readonly handlers: readonly HandlerModule[];
}

/** @throws {MisaError} of {@link bundleJob} */
export function codeAsset(scope: Construct, id: string, options: CodeOptions): Asset {
  const { entry, architecture, sourceMaps, handlers } = options;
  const platforms = platformsOf(architecture);
  let failure: unknown;
  const tryBundle = (outdir: string): boolean => {
    try {
      const { bytes, codeBytes } = bundleJob({ entry, outdir, platforms, sourceMaps, handlers });
      const sizes = Object.entries(codeBytes).map(([name, size]) => `${name} ${kib(size)}`);
      Annotations.of(scope).addInfo(`functions: ${kib(bytes)} unpacked; code read at a start: ${sizes.join(', ')}`);
      return true;
    } catch (error) {
      failure = error;
      throw error;
    }
  };
  try {
    return new Asset(scope, id, {
      path: path.dirname(entry),
      assetHashType: AssetHashType.OUTPUT,
      bundling: {
        outputType: BundlingOutput.NOT_ARCHIVED,
        // Never used, but part of the hash that distinguishes bundles of one folder.
        image: DockerImage.fromRegistry('none'),
        command: [entry, JSON.stringify({ platforms, sourceMaps, handlers })],
        local: { tryBundle },
      },
    });
  } catch (error) {
    // The CDK wraps the error; the original one is thrown.
    throw failure ?? error;
  }
}

/** The architecture of this machine, or the nearest that Lambda offers. */
export function hostArchitecture(): Architecture {
  return process.arch === 'arm64' ? Architecture.ARM_64 : Architecture.X86_64;
}

/** Where AWS_ENDPOINT_URL names a local AWS, that may run functions as plain processes of this machine. */
function platformsOf(architecture: Architecture): Platform[] {
  const aws: Platform = { os: 'linux', arch: architecture.name === Architecture.ARM_64.name ? 'arm64' : 'x64' };
  const host = { os: process.platform, arch: process.arch } as Platform;
  const local = process.env.AWS_ENDPOINT_URL !== undefined && `${host.os}-${host.arch}` !== `${aws.os}-${aws.arch}`;
  return local ? [aws, host] : [aws];
}

function kib(bytes: number): string {
  return `${Math.round(bytes / 1024).toLocaleString('en-US')} KiB`;
}
