/** Stands in a function's bundle for `msgpackr-extract`. Where the addon is missing, msgpackr does the same in JavaScript. */
import { loadNative } from './load.ts';

export const { extractStrings } = loadNative('msgpackr-extract') as { readonly extractStrings: unknown };
