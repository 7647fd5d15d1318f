/**
 * Where this package's own files are: TypeScript beside us in the sources, JavaScript under `dist/` where it is installed.
 * What a job imports as `misa` must be this very copy: what builds a job and what runs it must agree.
 */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const BUILT = import.meta.url.endsWith('.js');

/** Absolute path of one of our modules, named from the package's root without extension: `lib/index`. */
export function ownModule(name: string): string {
  return fileURLToPath(new URL(`../${name}${BUILT ? '.js' : '.ts'}`, import.meta.url));
}

/** What imports by these names mean in a bundle. */
export function ownAliases(): Record<string, string> {
  return {
    misa: ownModule('lib/index'),
    'misa/testing': ownModule('lib/testing'),
    'misa/producer': ownModule('lib/producer'),
  };
}

/** Conditions under which our own package's exports are resolved. */
export const OWN_CONDITIONS: readonly string[] = BUILT ? [] : ['misa-source'];

/** This package's root; `dist/` where it is built. */
export const OWN_ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Folder of an installed package as `from` would find it, or `undefined`; packages that export no `package.json` too. */
export function findPackage(name: string, from: string = OWN_ROOT): string | undefined {
  for (let folder = path.resolve(from); ; folder = path.dirname(folder)) {
    const found = path.join(folder, 'node_modules', name);
    if (existsSync(path.join(found, 'package.json'))) return realpathSync(found);
    if (folder === path.dirname(folder)) return undefined;
  }
}

export interface PackageJson {
  readonly version: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

export function readPackageJson(folder: string): PackageJson {
  return JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as PackageJson;
}
