import type { Chunks } from '../../lib/util/chunks.ts';

/** All elements, as one array. */
export async function allOf<T>(chunks: Chunks<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const chunk of chunks) all.push(...chunk);
  return all;
}
