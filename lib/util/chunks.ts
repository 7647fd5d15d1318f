/**
 * Long sequences in pieces: at once where all is in memory, else piece by piece as it comes, so that nobody holds all of it and nobody waits who
 * need not. `for await` takes both; {@link eachOf} waits only where there is something to wait for.
 */
import { inTurn } from './in-turn.ts';

/** No chunk is empty. Whoever stops before the end closes it, as `for` and `for await` do by themselves. */
export type Chunks<T> = Iterable<readonly T[]> | AsyncIterable<readonly T[]>;

/** Elements in a chunk, about: few enough that hardly any are alive when the garbage collector comes by. */
export const CHUNK = 128;

export function isAtOnce<T>(chunks: Chunks<T>): chunks is Iterable<readonly T[]> {
  return Symbol.iterator in chunks;
}

/** Calls `see` with each element in order. @returns `undefined`: it has, already */
export function eachOf<T>(chunks: Chunks<T>, see: (element: T) => void): Promise<void> | undefined {
  if (!isAtOnce(chunks)) return eachAsItComes(chunks, see);
  for (const chunk of chunks) for (const element of chunk) see(element);
  return undefined;
}

async function eachAsItComes<T>(chunks: AsyncIterable<readonly T[]>, see: (element: T) => void): Promise<void> {
  for await (const chunk of chunks) for (const element of chunk) see(element);
}

/** As {@link eachOf}, up to the first element for which `see` is false. */
export function eachWhile<T>(chunks: Chunks<T>, see: (element: T) => boolean): Promise<void> | undefined {
  if (!isAtOnce(chunks)) return eachWhileAsItComes(chunks, see);
  for (const chunk of chunks) if (!chunk.every(see)) break;
  return undefined;
}

async function eachWhileAsItComes<T>(chunks: AsyncIterable<readonly T[]>, see: (element: T) => boolean): Promise<void> {
  for await (const chunk of chunks) if (!chunk.every(see)) break;
}

/** Calls `see` with each chunk in order, and waits for what it promises. @returns `undefined`: it has, already */
export function eachChunk<T>(
  chunks: Chunks<T>,
  see: (chunk: readonly T[]) => Promise<void> | undefined,
): Promise<void> | undefined {
  return isAtOnce(chunks) ? inTurn(chunks, see) : eachChunkAsItComes(chunks, see);
}

async function eachChunkAsItComes<T>(
  chunks: AsyncIterable<readonly T[]>,
  see: (chunk: readonly T[]) => Promise<void> | undefined,
): Promise<void> {
  for await (const chunk of chunks) await see(chunk);
}

/** A sequence in chunks. */
export function* chunked<T>(elements: Iterable<T>): Generator<T[], void, undefined> {
  let chunk: T[] = [];
  for (const element of elements) {
    chunk.push(element);
    if (chunk.length < CHUNK) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}
