/** Modules of this folder that run in threads of their own. */
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

/** Tests run it from TypeScript sources, by the loader that they use themselves. @param module its name, without an ending */
export function workerEntry(module: string): URL {
  if (!import.meta.url.endsWith('.ts')) return new URL(`./${module}.js`, import.meta.url);
  const loader = pathToFileURL(
    createRequire(import.meta.url)
      .resolve('tsx/esm/api')
      .replace(/cjs$/, 'mjs'),
  );
  const entry = new URL(`./${module}.ts`, import.meta.url);
  const code = `import { register } from '${loader}'; register(); await import('${entry}');`;
  return new URL(`data:text/javascript,${encodeURIComponent(code)}`);
}
