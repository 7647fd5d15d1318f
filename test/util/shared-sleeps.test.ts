import { expect, it } from 'vitest';
import { ManualClock } from '../../lib/util/clock.ts';
import { SharedSleeps } from '../../lib/util/shared-sleeps.ts';

it('sleeps that end in the same millisecond are one, and none ends too soon', async () => {
  const clock = new ManualClock(100);
  let begun = 0;
  const sleeps = new SharedSleeps({
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    sleep: (ms) => {
      begun++;
      return clock.sleep(ms);
    },
  });
  const ends = [110.2, 110.9, 111, 111.1, 110.5, 99];
  const ended: number[] = [];
  for (const end of ends) void sleeps.until(end).then(() => ended.push(end));
  expect(begun).toBe(3);
  const endedAfter = async (ms: number): Promise<number[]> => {
    clock.advance(ms);
    await new Promise((resolve) => setImmediate(resolve));
    return ended.splice(0).sort((a, b) => a - b);
  };
  expect(await endedAfter(0)).toEqual([99]);
  expect(await endedAfter(10)).toEqual([]);
  expect(await endedAfter(1)).toEqual([110.2, 110.5, 110.9, 111]);
  expect(await endedAfter(1)).toEqual([111.1]);
  // What has ended is begun anew.
  void sleeps.until(111.1);
  expect(begun).toBe(4);
});
