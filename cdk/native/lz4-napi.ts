/** Stands in a function's bundle for `lz4-napi`, whose own module only looks for the addon. */
import type * as Lz4 from 'lz4-napi';
import { loadNative } from './load.ts';

export const {
  compress,
  compressFrame,
  compressFrameSync,
  compressSync,
  decompressFrame,
  decompressFrameSync,
  uncompress,
  uncompressSync,
} = loadNative('lz4-napi') as typeof Lz4;
