/**
 * The native addons that a function's bundle carries, for the platform it will run on: taken from the packages that are
 * installed here, or, for another platform, fetched once by `npm pack` at the version that is installed and kept in a folder
 * of this user. Builds against Node-API are taken, which every version of node loads.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { errorText, MisaError } from '../lib/errors.ts';
import { findPackage, ownModule, readPackageJson } from './package-files.ts';
import { readTarGz } from './tar.ts';

export interface Platform {
  readonly os: 'linux' | 'darwin' | 'win32';
  readonly arch: 'x64' | 'arm64';
}

interface Addon {
  readonly name: string;
  /** Package whose optional dependencies name the platforms' packages. */
  readonly owner: string;
  readonly package: (platform: Platform) => string;
  /** The addon's file in that package. */
  readonly file: (platform: Platform) => string;
  /** The package works without it, more slowly. */
  readonly optional?: boolean;
}

/** Functions run on Amazon Linux, whose libc is glibc. */
const nodeApi = ({ os: system }: Platform): string => (system === 'linux' ? 'node.napi.glibc.node' : 'node.napi.node');
const rustName = ({ os: system, arch }: Platform): string =>
  `${system}-${arch}${{ linux: '-gnu', darwin: '', win32: '-msvc' }[system]}`;

const ADDONS: readonly Addon[] = [
  { name: 'lmdb', owner: 'lmdb', package: (p) => `@lmdb/lmdb-${p.os}-${p.arch}`, file: nodeApi },
  {
    name: 'lz4-napi',
    owner: 'lz4-napi',
    package: (p) => `@antoniomuso/lz4-napi-${rustName(p)}`,
    file: (p) => `lz4-napi.${rustName(p)}.node`,
  },
  {
    name: 'msgpackr-extract',
    owner: 'msgpackr-extract',
    package: (p) => `@msgpackr-extract/msgpackr-extract-${p.os}-${p.arch}`,
    file: nodeApi,
    optional: true,
  },
];

/** What a bundler must put in place of the packages that look for their addon themselves. */
export function nativeAliases(): Record<string, string> {
  return {
    'node-gyp-build-optional-packages': ownModule('cdk/native/lmdb'),
    'lz4-napi': ownModule('cdk/native/lz4-napi'),
    'msgpackr-extract': ownModule('cdk/native/msgpackr-extract'),
    // Its code evaluates text that uses its own variables. Names in a CommonJS module stay as they are, in an ES module
    // that is bundled with others they do not.
    'ordered-binary': path.join(packageOf('ordered-binary', packageOf('lmdb')), 'dist', 'index.cjs'),
  };
}

/**
 * Puts the addons into `native/` of a bundle.
 * @throws {MisaError} `NATIVE_PACKAGE`: one is not installed here and cannot be fetched
 */
export function copyAddons(outdir: string, platform: Platform): void {
  mkdirSync(path.join(outdir, 'native'), { recursive: true });
  for (const addon of ADDONS) {
    const to = path.join(outdir, 'native', `${addon.name}-${platform.os}-${platform.arch}.node`);
    try {
      copyFileSync(path.join(folderOf(addon, platform), addon.file(platform)), to);
      // The same everywhere: modes are part of an asset's hash.
      chmodSync(to, 0o755);
    } catch (error) {
      if (addon.optional !== true) throw error;
    }
  }
}

function folderOf(addon: Addon, platform: Platform): string {
  const owner = ownerOf(addon);
  const name = addon.package(platform);
  const version = readPackageJson(owner).optionalDependencies?.[name];
  if (version === undefined) {
    throw new MisaError('NATIVE_PACKAGE', `${addon.owner} has no build for ${platform.os}-${platform.arch}`);
  }
  const installed = findPackage(name, owner);
  if (installed !== undefined && existsSync(path.join(installed, addon.file(platform)))) return installed;
  return fetched(name, version, addon.file(platform));
}

/** msgpackr-extract belongs to msgpackr: a strict package manager lets only that one see it. */
function ownerOf({ owner }: Addon): string {
  return findPackage(owner) ?? packageOf(owner, packageOf('msgpackr'));
}

function packageOf(name: string, from?: string): string {
  const found = findPackage(name, from);
  if (found !== undefined) return found;
  throw new MisaError(
    'NATIVE_PACKAGE',
    `the package ${name} is not installed. Install Misa's packages again: npm install`,
  );
}

function fetched(name: string, version: string, file: string): string {
  const cache = path.join(process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), '.cache'), 'misa', 'native');
  const folder = path.join(cache, `${name.replaceAll('/', '+')}@${version}`);
  if (existsSync(path.join(folder, file))) return folder;
  mkdirSync(cache, { recursive: true });
  const temporary = mkdtempSync(path.join(cache, 'fetching-'));
  try {
    const npm = ['pack', `${name}@${version}`, '--pack-destination', temporary, '--ignore-scripts', '--loglevel=error'];
    execFileSync('npm', npm, {
      stdio: ['ignore', 'ignore', 'pipe'],
      shell: process.platform === 'win32',
      timeout: 120_000,
    });
    const packed = readdirSync(temporary).find((entry) => entry.endsWith('.tgz'));
    const bytes = packed && readTarGz(readFileSync(path.join(temporary, packed))).get(`package/${file}`);
    if (!bytes) throw new Error(`it has no file ${file}`);
    mkdirSync(path.join(temporary, 'package'));
    writeFileSync(path.join(temporary, 'package', file), bytes);
    rmSync(folder, { recursive: true, force: true });
    renameSync(path.join(temporary, 'package'), folder);
    return folder;
  } catch (error) {
    // Another process may have put it there meanwhile.
    if (existsSync(path.join(folder, file))) return folder;
    const why = `${name}@${version} is not installed here and cannot be fetched: ${npmText(error)}`;
    throw new MisaError(
      'NATIVE_PACKAGE',
      `${why}. It is needed to run on another platform than this one: deploy once with access to the npm registry (it is kept in ${cache}), or choose this machine's architecture.`,
      { cause: error },
    );
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** What npm says is wrong, without its advice. */
function npmText(error: unknown): string {
  const lines = errorText(error)
    .split('\n')
    .map((line) => line.replace(/^npm (?:error|ERR!)\s*/, '').trim());
  const told = lines.filter(
    (line) => line !== '' && !line.startsWith('Command failed') && !line.includes('complete log'),
  );
  return told.slice(0, 2).join(' ') || (lines[0] ?? 'no reason given');
}
