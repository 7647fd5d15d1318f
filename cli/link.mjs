/**
 * The last step of a build in a clone: makes `misa` a command of this folder, as npm does for whoever installs the package, so that
 * `npx misa` starts what was just built and asks nobody else.
 */
import { chmodSync, existsSync, renameSync, symlinkSync } from 'node:fs';

const main = new URL('../dist/cli/main.js', import.meta.url);
const commands = new URL('../node_modules/.bin/', import.meta.url);

chmodSync(main, 0o755);
if (existsSync(commands)) {
  const link = new URL(`.misa-${process.pid}`, commands);
  symlinkSync('../../dist/cli/main.js', link);
  renameSync(link, new URL('misa', commands));
}
