/**
 * Runs one measurement in a process of its own, so that none inherits another's heap, compiled code or caches, and the
 * peak of its memory is known.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { extname } from 'node:path';

export interface Measured<T> {
  readonly value: T;
  /** Peak resident memory of the process, MB (10^6 bytes). */
  readonly peakMb: number;
}

/** @param task name of a task in `child-main.ts` @throws {Error} the child failed */
export function inChild<T>(task: string, args: unknown, execArgv: readonly string[] = []): Promise<Measured<T>> {
  const main = new URL(`./child-main${extname(import.meta.url)}`, import.meta.url);
  return new Promise((resolve, reject) => {
    const child: ChildProcess = fork(main, [task, JSON.stringify(args)], {
      execArgv: [...process.execArgv, ...execArgv],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    let answer: Measured<T> | undefined;
    child.on('message', (message) => {
      answer = message as Measured<T>;
    });
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      if (code === 0 && answer !== undefined) resolve(answer);
      else reject(new Error(`benchmark ${task} ${JSON.stringify(args)} failed (${signal ?? `code ${code}`})`));
    });
  });
}
