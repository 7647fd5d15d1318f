/** How much of the processors a thread gets beside the others of its process. */
import { readlinkSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import path from 'node:path';

/**
 * This thread goes on where others leave processors idle, and has about a fifth of another's share where they do not. Only Linux has priorities
 * by thread; elsewhere all stay alike.
 */
export function yieldToOtherThreads(): void {
  try {
    setPriority(Number(path.basename(readlinkSync('/proc/thread-self'))), constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // There is no such file, or it is not allowed.
  }
}
