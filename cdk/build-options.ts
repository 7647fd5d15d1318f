/** How a user's module is bundled, to be described and to be deployed: what loads here must load there. */
import type { BuildOptions } from 'esbuild';
import { OWN_CONDITIONS, OWN_ROOT } from './package-files.ts';

/** CommonJS packages that are bundled into an ES module still use `require`, `__filename` and `__dirname`. */
const BANNER = [
  `import{createRequire as misaCreateRequire}from'node:module'`,
  `import{fileURLToPath as misaFileURLToPath}from'node:url'`,
  `const require=misaCreateRequire(import.meta.url)`,
  `const misaFilename=misaFileURLToPath(import.meta.url),misaDirname=misaFileURLToPath(new URL('.',import.meta.url))`,
  '',
].join(';');

export function commonOptions() {
  return {
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    conditions: [...OWN_CONDITIONS],
    banner: { js: BANNER },
    // Not declared under their own names, which ES modules like to declare for themselves.
    define: { __filename: 'misaFilename', __dirname: 'misaDirname' },
    legalComments: 'none',
    sourcesContent: false,
    absWorkingDir: OWN_ROOT,
    logLevel: 'silent',
  } as const satisfies BuildOptions;
}
