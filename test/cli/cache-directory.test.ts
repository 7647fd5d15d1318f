/** One block cache a process: held, given back, and taken over from the dead. */
import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { holdCacheDirectory } from '../../lib/job/cache-directory.ts';
import { systemClock as clock } from '../../lib/util/clock.ts';
import { systemRandom as random } from '../../lib/util/random.ts';

const root = mkdtempSync(path.join(tmpdir(), 'misa-cache-'));
afterAll(() => rmSync(root, { recursive: true }));

const hold = (directory: string) => holdCacheDirectory(path.join(root, directory), { clock, random });

describe('holdCacheDirectory', () => {
  it('gives each holder another directory, and a released one again', () => {
    const [first, second] = [hold('a'), hold('a')];
    expect([first, second].map((held) => path.basename(held.directory))).toEqual(['env-0', 'env-1']);
    first.release();
    expect(path.basename(hold('a').directory)).toBe('env-0');
    expect(readdirSync(path.join(root, 'a')).sort()).toEqual(['env-0.lock', 'env-1.lock']);
  });

  it('gives up when all are held', () => {
    for (let i = 0; i < 8; i++) hold('b');
    expect(() => hold('b')).toThrow('8 processes use those');
  });

  it.runIf(process.platform === 'linux')(
    'takes over the lock of an earlier process with the number of one that lives',
    () => {
      hold('d').release();
      const lock = path.join(root, 'd', 'env-0.lock');
      writeFileSync(lock, `${process.pid} ${hostname()} 1`);
      expect(path.basename(hold('d').directory)).toBe('env-0');
      expect(path.basename(hold('d').directory)).toBe('env-1');
    },
  );

  it('takes over the lock of a process that is dead, and of another machine only after a day', () => {
    hold('c').release();
    const lock = path.join(root, 'c', 'env-0.lock');
    writeFileSync(lock, `4194305 ${hostname()}`);
    expect(path.basename(hold('c').directory)).toBe('env-0');
    writeFileSync(lock, '1 another-machine');
    expect(path.basename(hold('c').directory)).toBe('env-1');
    const yesterday = Date.now() / 1000 - 90_000;
    utimesSync(lock, yesterday, yesterday);
    expect(path.basename(hold('c').directory)).toBe('env-0');
  });
});
