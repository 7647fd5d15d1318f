/**
 * Whether the file of a block cache that is there may be used, and what is in it. It is written without syncing: what the processes
 * before wrote is all there as long as the machine runs, however they ended, and anything may be there after a restart. So beside the
 * file stands which start of which machine it belongs to, and which file it is: a copy made while it was written is torn, too.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, fstatSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { type FoundValues, findValues } from './lmdb-file.ts';

/** This start of this machine, or of the host of this container; `undefined` where the system does not say. */
export function bootOf(platform: NodeJS.Platform = process.platform): string | undefined {
  try {
    if (platform === 'linux') return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    if (platform === 'darwin')
      return execFileSync('/usr/sbin/sysctl', ['-n', 'kern.bootsessionuuid'], { encoding: 'utf8' }).trim();
  } catch {}
  return undefined;
}

/** Writes beside `data` what {@link findKept} asks for. Where the system does not tell its starts apart, nothing is kept. */
export function keep(data: string, mark: string, boot: string | undefined): void {
  if (boot !== undefined) writeFileSync(mark, markOf(data, boot));
}

/**
 * What an earlier process left in `data`, if it is of this start of the machine, the same file, and whole.
 * @param maxBytes a larger file was made for a larger budget, and never shrinks
 */
export function findKept(
  data: string,
  mark: string,
  boot: string | undefined,
  maxBytes: number,
): FoundValues | undefined {
  try {
    if (boot === undefined || readFileSync(mark, 'utf8') !== markOf(data, boot)) return undefined;
    const file = openSync(data, 'r');
    try {
      return fstatSync(file).size <= maxBytes ? findValues(file) : undefined;
    } finally {
      closeSync(file);
    }
  } catch {
    return undefined;
  }
}

function markOf(data: string, boot: string): string {
  const { dev, ino } = statSync(data);
  return `block cache 1\n${boot}\n${dev} ${ino}\n`;
}
