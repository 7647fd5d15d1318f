/** The commit side of one environment: one fold of a partition at a time, whoever asks for it. */
import { describe, expect, it } from 'vitest';
import { CommitLoop } from '../../lib/commit/commit-loop.ts';

describe('the commit loop', () => {
  it('folds a partition once at a time, whether by hints or because somebody waits for it', async () => {
    let running = 0;
    let most = 0;
    let folds = 0;
    const errors: unknown[] = [];
    const loop = new CommitLoop(
      {
        work: {
          async fold() {
            most = Math.max(most, ++running);
            folds++;
            for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
            running--;
            if (folds === 3) throw new Error('this one fails');
            return undefined;
          },
          compact: async () => undefined,
          collect: async () => {},
        },
        foldEvery: () => 1,
        foldAfterMs: 1e9,
        collectEveryMs: 1e9,
        onManifest: () => {},
        onError: (error) => void errors.push(error),
      },
      0,
    );
    loop.hint('s0/p0', 1, 0);
    const waiting = [loop.foldNow('s0/p0'), loop.foldNow('s0/p0'), loop.foldNow('s0/p0')];
    loop.hint('s0/p0', 2, 0);
    const settled = await Promise.allSettled(waiting);
    await loop.drain(['s0/p0']);
    await loop.close();
    expect(most).toBe(1);
    expect(settled.filter(({ status }) => status === 'rejected')).toHaveLength(1);
    expect(errors).toEqual([]);
    expect(folds).toBeGreaterThanOrEqual(5);
  });
});
