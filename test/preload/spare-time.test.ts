import { describe, expect, it } from 'vitest';
import { SpareTime } from '../../lib/preload/spare-time.ts';
import { systemClock } from '../../lib/util/clock.ts';

function processTimes() {
  let [wall, cpu] = [1000, 300];
  const spare = new SpareTime({ monotonic: () => wall }, () => cpu, 2);
  /** @returns whether there is time to spare after `ms` in which so much of both processors was taken */
  const has = (ms: number, share: number): boolean => {
    wall += ms;
    cpu += ms * 2 * share;
    return spare.isSpare();
  };
  return has;
}

describe('spare time', () => {
  it('is there until processors are busy, and again when they are so no more', () => {
    const has = processTimes();
    expect([0.3, 0.79, 0.81, 0.6, 0.54, 0.79].map((share) => has(300, share))).toEqual([
      true,
      true,
      false,
      false,
      true,
      true,
    ]);
  });

  it('is told of more than a moment: what was taken in one counts to the next', () => {
    const has = processTimes();
    expect(has(10, 1)).toBe(true);
    expect(has(190, 0.85)).toBe(false);
    expect(has(20, 0)).toBe(false);
    expect(has(100, 0.5)).toBe(true);
  });

  it('is that of this process, by default', () => {
    expect(typeof new SpareTime(systemClock).isSpare()).toBe('boolean');
  });
});
