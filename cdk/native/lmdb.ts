/** Stands in a function's bundle for the package by which `lmdb` looks for its addon. */
import { loadNative } from './load.ts';

export default function load(): unknown {
  return loadNative('lmdb');
}
