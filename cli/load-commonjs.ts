/**
 * Loads a job that is a CommonJS module. Misa is ES modules only, which `require` cannot load in every supported node, so the
 * job and the files beside it are made one ES module: `require('misa')` becomes an import, and packages are required from
 * where the job is.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Plugin } from 'esbuild';

const OWN = 'misa-own';

/** @param own addresses of Misa's entry points, by what modules call them */
export async function importCommonJs(file: string, own: Readonly<Record<string, string>>): Promise<unknown> {
  const { build } = await import('esbuild');
  const { outputFiles } = await build({
    entryPoints: [file],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    logLevel: 'silent',
    // So that an error while loading names its place in the file that the user wrote.
    sourcemap: 'inline',
    outfile: file,
    sourceRoot: `${path.dirname(file)}/`,
    plugins: [ownModules(own)],
    banner: {
      js: `import { createRequire as misaRequire } from 'node:module'; const require = misaRequire(${JSON.stringify(file)});`,
    },
  });
  const folder = mkdtempSync(path.join(tmpdir(), 'misa-job-'));
  try {
    const made = path.join(folder, 'job.mjs');
    writeFileSync(made, outputFiles[0]!.contents);
    process.setSourceMapsEnabled(true);
    const module = (await import(pathToFileURL(made).href)) as { default?: { default?: unknown } };
    // `exports.default = …`, by hand or by a compiler.
    return module.default?.default === undefined ? module : module.default;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** `misa` is an ES module of this installation, however it is asked for. */
function ownModules(own: Readonly<Record<string, string>>): Plugin {
  return {
    name: 'misa',
    setup(build) {
      build.onResolve({ filter: /^misa($|\/)/ }, ({ path: name }) =>
        Object.hasOwn(own, name) ? { path: name, namespace: OWN } : undefined,
      );
      build.onResolve({ filter: /^file:/ }, ({ path: url }) => ({ path: url, external: true }));
      build.onLoad({ filter: /./, namespace: OWN }, ({ path: name }) => ({
        contents: `export * from ${JSON.stringify(own[name])};`,
        resolveDir: path.dirname(name),
      }));
    },
  };
}
