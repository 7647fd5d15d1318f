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
    const told = [0.3, 0.79, 0.82, 0.65, 0.59, 0.79].map((share) => has(10_000, share));
    expect(told).toEqual([true, true, false, false, true, true]);
  });

  it('is told of a second or so: a fold or a compaction is no load', () => {
    const has = processTimes();
    expect(has(10_000, 0.5)).toBe(true);
    expect(Array.from({ length: 5 }, () => has(150, 0.9)).every(Boolean)).toBe(true);
    // As many again, and it is one.
    expect(Array.from({ length: 10 }, () => has(150, 0.9)).at(-1)).toBe(false);
    expect(has(150, 0.3)).toBe(false);
    expect(Array.from({ length: 10 }, () => has(150, 0.3)).at(-1)).toBe(true);
  });

  it('is told of more than a moment: what was taken in one counts to the next', () => {
    const has = processTimes();
    expect(has(10_000, 0.79)).toBe(true);
    expect(has(40, 1)).toBe(true);
    expect(has(4000, 0.81)).toBe(false);
    expect(has(20, 0)).toBe(false);
    expect(has(5000, 0.5)).toBe(true);
  });

  it('is that of this process, by default', () => {
    expect(typeof new SpareTime(systemClock).isSpare()).toBe('boolean');
  });
});
