/** Asks before something is done that costs money or cannot be undone; `--yes` answers. */
import { createInterface } from 'node:readline/promises';
import { UsageError } from './failure.ts';

/** Whether there is a terminal to ask at. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

/**
 * @param otherwise what holds where nobody can be asked: go on, or refuse
 * @returns whether the answer was yes
 * @throws {UsageError} nobody can be asked, and it must not be done unasked
 */
export async function confirm(
  question: string,
  { yes, otherwise }: { yes: boolean; otherwise: 'go on' | 'refuse' },
): Promise<boolean> {
  if (yes) return true;
  if (!canAsk()) {
    if (otherwise === 'go on') return true;
    throw new UsageError(`${question} Nobody can be asked here: say --yes`);
  }
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await reader.question(`${question} [y/N] `);
    return /^y(?:es)?$/i.test(answer.trim());
  } finally {
    reader.close();
  }
}
