/** Files that are whole whenever they are there: written beside their place, forced to the disk, then renamed. */
import { open, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { syncDirectory } from '../../object-store/durable-file.ts';

const PART = '.part';

/** Creates or replaces a file. It is on the disk, and so is its name, when this resolves. */
export async function writeWhole(
  file: string,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<void> {
  const temporary = file + PART;
  const handle = await open(temporary, 'w');
  try {
    for await (const chunk of chunks) await handle.writeFile(chunk);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
  await syncDirectory(path.dirname(file));
}

/** Removes what killed writers left in a folder. */
export async function removeParts(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.endsWith(PART)) await rm(path.join(folder, name), { force: true });
  }
}
