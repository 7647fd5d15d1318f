import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { JobError } from '../../lib/errors.ts';
import { BadRow } from '../../lib/stream/operator.ts';
import { toEpochMs } from '../../lib/stream/time.ts';
import { duration, toMs } from '../../lib/util/duration.ts';

describe('event times', () => {
  test('ISO 8601 text is what Date makes of it, at every zone', () => {
    const date = fc.date({
      min: new Date(-62_000_000_000_000),
      max: new Date(253_000_000_000_000),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(date, fc.integer({ min: -14 * 60, max: 14 * 60 }), (d, offset) => {
        const local = new Date(d.getTime() + offset * 60_000).toISOString().slice(0, -1);
        const abs = Math.abs(offset);
        const two = (n: number): string => String(n).padStart(2, '0');
        const zone = `${offset < 0 ? '-' : '+'}${two(Math.floor(abs / 60))}:${two(abs % 60)}`;
        expect(toEpochMs(local + zone)).toBe(d.getTime());
        expect(toEpochMs(d.toISOString())).toBe(d.getTime());
        expect(toEpochMs(d)).toBe(d.getTime());
      }),
    );
  });

  test.each([
    ['2013-01-01', 1356998400000],
    ['2013-01-01T05:15', 1357017300000],
    ['2013-01-01 05:15:00', 1357017300000],
    ['2013-01-01T05:15:00.1239', 1357017300123],
    ['2013-01-01T05:15:00-0500', 1357035300000],
    ['2012-02-29', 1330473600000],
    ['0001-01-01T00:00:00Z', -62135596800000],
    [1.9, 1],
    [-0.5, -1],
  ])('%s is %d ms', (value, ms) => {
    expect(toEpochMs(value)).toBe(ms);
  });

  test.each([
    [null],
    [undefined],
    [Number.NaN],
    [Infinity],
    [9e15],
    [''],
    ['yesterday'],
    ['1357035300000'],
    ['2013-02-29'],
    ['2013-13-01'],
    ['2013-01-01T24:00:00'],
    ['2013-01-01T00:00:60Z'],
    ['2013-01-01T00:00:00+99:00'],
    ['Jan 1, 2013'],
    [new Date(Number.NaN)],
    [true],
    [{}],
    [1n],
  ])('%s is a bad row with a reason', (value) => {
    expect(() => toEpochMs(value)).toThrow(BadRow);
    expect(() => toEpochMs(value)).toThrow(/event time/);
  });
});

describe('durations', () => {
  test.each([
    ['10 s', 10_000],
    ['90s', 90_000],
    ['3 hours', 10_800_000],
    ['1.5 h', 5_400_000],
    ['0.1 s', 100],
    ['2 weeks', 1_209_600_000],
    ['0 ms', 0],
  ])('%s is %d ms', (text, ms) => {
    expect(duration(text)).toBe(ms);
  });

  test.each([
    ['1 fortnight'],
    ['5'],
    ['s'],
    ['10  s'],
    ['1 month'],
    ['0.5 ms'],
    [''],
    ['NaN s'],
    ['1e999 s'],
    ['1 constructor'],
  ])("'%s' is refused", (text) => {
    expect(() => duration(text)).toThrow(expect.objectContaining({ code: 'BAD_DURATION' }));
  });

  test('a duration of a job is whole and not negative', () => {
    expect(toMs(250, 'delay')).toBe(250);
    for (const bad of [-1, 0.5, Number.NaN, Infinity, '-1 s', undefined, null, {}]) {
      expect(() => toMs(bad as never, 'delay')).toThrow(JobError);
    }
  });
});
