/**
 * In a function's bundle a native addon is one file, named for its platform, in `native/` beside the code. It is required
 * by that name at once: the packages' own loaders try many names and ask the system for its libc at every cold start.
 */
import { createRequire } from 'node:module';

/** @throws the addon is not in the bundle, or was built for another platform */
export function loadNative(addon: string): unknown {
  return createRequire(import.meta.url)(`./native/${addon}-${process.platform}-${process.arch}.node`);
}
