import { describe, expect, it } from 'vitest';
import { Contemporaries, type Contemporary } from '../../lib/object-store/contemporaries.ts';

/** Sends requests at a time. @returns them, and which of them were told that they are late */
function send(together: Contemporaries, atMs: number, count: number) {
  const late: number[] = [];
  const requests: Contemporary[] = Array.from({ length: count }, (_, i) => together.sent(atMs, () => late.push(i)));
  const answer = (nowMs: number, from: number, to: number): void => {
    for (let i = from; i < to; i++) together.answered(requests[i]!, nowMs);
  };
  return { late, answer };
}

describe('requests that were sent at the same time', () => {
  it('are late when nine of ten are answered, each told once', () => {
    const { late, answer } = send(new Contemporaries(), 100, 40);
    answer(120, 0, 35);
    expect(late).toEqual([]);
    answer(120, 35, 36);
    expect(late).toEqual([36, 37, 38, 39]);
    answer(200, 36, 40);
    expect(late).toEqual([36, 37, 38, 39]);
  });

  it('are not, where they are too few to tell', () => {
    const { late, answer } = send(new Contemporaries(), 100, 9);
    answer(120, 0, 8);
    expect(late).toEqual([]);
  });

  it('are not, while others may still be sent with them', () => {
    const together = new Contemporaries();
    const { late, answer } = send(together, 100, 20);
    answer(104, 0, 19);
    expect(late).toEqual([]);
    const more = send(together, 105, 10);
    // These are in the same group: of its thirty, eleven are not answered.
    more.answer(106, 0, 8);
    expect(late).toEqual([19]);
    expect(more.late).toEqual([8, 9]);
  });

  it('are not compared with those that were sent sooner or later', () => {
    const together = new Contemporaries();
    const first = send(together, 100, 40);
    const second = send(together, 106, 10);
    first.answer(130, 0, 40);
    second.answer(130, 0, 8);
    expect(second.late).toEqual([]);
    second.answer(130, 8, 9);
    expect(second.late).toEqual([9]);
  });

  it('are a new group when there are many', () => {
    const together = new Contemporaries();
    const { late, answer } = send(together, 100, 100);
    answer(101, 0, 58);
    expect(late).toEqual([58, 59, 60, 61, 62, 63]);
  });
});
