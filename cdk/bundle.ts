/**
 * Makes the one folder of code that all functions of a job run: handlers, engine and the user's job in one graph, split so
 * that the handlers share chunks, with the native addons beside it. The same inputs give the same bytes, so a deployment
 * without changes uploads nothing.
 */
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { type BuildFailure, buildSync, type Metafile } from 'esbuild';
import { commonOptions } from './build-options.ts';
import { buildError } from './job-errors.ts';
import { copyAddons, nativeAliases, type Platform } from './native-addons.ts';
import { OWN_ROOT, ownAliases, ownModule } from './package-files.ts';

/** Names of the modules with handlers, which are `{name}.mjs` in the bundle. */
export const HANDLER_MODULES = ['batch', 'commit', 'preload', 'sink', 'empty'] as const;
export type HandlerModule = (typeof HANDLER_MODULES)[number];

export interface BundleOptions {
  /** The job's module. */
  readonly entry: string;
  /** Emptied first. */
  readonly outdir: string;
  /** Platforms that the functions run on: AWS, and this machine where a local AWS runs them as plain processes. */
  readonly platforms: readonly Platform[];
  /** Source maps beside the code; they make the functions' start slower. Default false. */
  readonly sourceMaps?: boolean | undefined;
  /** Which handlers to bundle. Default: all. */
  readonly handlers?: readonly HandlerModule[] | undefined;
  /** Modules of handlers in place of Misa's own, by name. */
  readonly modules?: Readonly<Partial<Record<HandlerModule, string>>> | undefined;
}

export interface Bundle {
  /** Before it is zipped. */
  readonly bytes: number;
  /** Bytes that a function reads to start, native addons aside, by handler module. */
  readonly codeBytes: Readonly<Partial<Record<HandlerModule, number>>>;
}

type Output = Metafile['outputs'][string];

/**
 * @throws {JobError} the job, or something that it imports, cannot be bundled
 * @throws {MisaError} `NATIVE_PACKAGE`
 */
export function bundleJob(options: BundleOptions): Bundle {
  const { entry, outdir, platforms, sourceMaps = false, handlers = HANDLER_MODULES, modules = {} } = options;
  rmSync(outdir, { recursive: true, force: true });
  mkdirSync(outdir, { recursive: true });
  const entries = handlers.map((name) => [name, modules[name] ?? handlerModule(name)]);
  const codeBytes = buildCode(entry, outdir, sourceMaps, Object.fromEntries(entries) as Record<HandlerModule, string>);
  for (const platform of platforms) copyAddons(outdir, platform);
  return { bytes: bytesIn(outdir), codeBytes };
}

function buildCode(
  entry: string,
  outdir: string,
  sourceMaps: boolean,
  entryPoints: Record<string, string>,
): Bundle['codeBytes'] {
  try {
    const { outputs } = buildSync({
      entryPoints,
      outdir,
      ...commonOptions(),
      splitting: true,
      outExtension: { '.js': '.mjs' },
      // ES modules of a package where it has them: they can be shaken.
      mainFields: ['module', 'main'],
      alias: { ...ownAliases(), ...nativeAliases(), 'misa-job': path.resolve(entry) },
      loader: { '.node': 'copy' },
      // Identifiers stay: a zip file is hardly smaller without them, and stack traces can be read.
      minifyWhitespace: true,
      minifySyntax: true,
      // Names are part of messages: of user functions, operators and errors.
      keepNames: true,
      sourcemap: sourceMaps,
      metafile: true,
    }).metafile;
    const files = new Map(Object.entries(outputs).map(([file, output]) => [path.resolve(OWN_ROOT, file), output]));
    const sizes = Object.keys(entryPoints).map((name) => [name, reachedBytes(files, path.join(outdir, `${name}.mjs`))]);
    return Object.fromEntries(sizes) as Bundle['codeBytes'];
  } catch (error) {
    throw buildError(entry, error as BuildFailure);
  }
}

function handlerModule(name: HandlerModule): string {
  return ownModule(name === 'empty' ? 'cdk/empty-bucket-function' : `functions/${name}/index`);
}

/** Of a module and all that it imports at once. */
function reachedBytes(files: ReadonlyMap<string, Output>, start: string): number {
  const reached = new Set([start]);
  let bytes = 0;
  for (const file of reached) {
    const output = files.get(file);
    bytes += output?.bytes ?? 0;
    for (const { kind, path: name } of output?.imports ?? []) {
      if (kind === 'import-statement') reached.add(path.resolve(OWN_ROOT, name));
    }
  }
  return bytes;
}

function bytesIn(folder: string): number {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return entries.reduce((sum, entry) => sum + statSync(path.join(entry.parentPath, entry.name)).size, 0);
}
