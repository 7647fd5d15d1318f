/** The local block cache of an embedded run: where it is, how large, and for whom. */
import path from 'node:path';
import { holdCacheDirectory } from '../job/cache-directory.ts';
import type { StoreSpec } from '../object-store/store-spec.ts';
import { type BlockCache, LmdbBlockCache } from '../state/block-cache.ts';
import type { Clock } from '../util/clock.ts';
import type { Random } from '../util/random.ts';

const CACHE_BYTES = 256 << 20;

export interface LocalCacheOptions {
  readonly store: StoreSpec;
  /** Directory for block caches, shared by processes; default: `.cache` in a directory store, else in `.misa`. */
  readonly cacheRoot?: string | undefined;
  /** Budget of the block cache; 0: none. Default 256 MiB. */
  readonly cacheBytes?: number | undefined;
}

interface Services {
  readonly clock: Clock;
  readonly random: Random;
  readonly onTrouble: (what: string, error: unknown) => void;
  readonly onWarning?: ((error: Error) => void) | undefined;
}

interface LocalCache {
  readonly blocks: BlockCache;
  close(): Promise<void>;
}

/** Opens it; `undefined`: there is none, by choice or because it cannot be opened, which is a warning. */
export function openLocalCache(options: LocalCacheOptions, services: Services): LocalCache | undefined {
  const { store, cacheBytes = CACHE_BYTES } = options;
  if (cacheBytes === 0) return undefined;
  const root = options.cacheRoot ?? path.resolve(store.kind === 'directory' ? store.path : '.misa', '.cache');
  const { onTrouble, onWarning } = services;
  let release = (): void => {};
  try {
    const held = holdCacheDirectory(root, services);
    release = held.release;
    const blocks = LmdbBlockCache.open(held.directory, cacheBytes, onTrouble);
    const close = async (): Promise<void> => {
      await blocks.close().catch((error: unknown) => onTrouble('the local cache could not be closed', error));
      held.release();
    };
    return { blocks, close };
  } catch (error) {
    release();
    onWarning?.(error as Error);
    return undefined;
  }
}
