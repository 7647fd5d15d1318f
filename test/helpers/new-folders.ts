import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll } from 'vitest';

/** Folders of a test file, each new and empty; they are removed when its tests are over. */
export function newFolders(name: string): () => string {
  const root = mkdtempSync(path.join(tmpdir(), `misa-${name}-`));
  let made = 0;
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  return () => {
    const folder = path.join(root, `${made++}`);
    mkdirSync(folder);
    return folder;
  };
}
