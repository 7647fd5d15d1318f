import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { JobError } from '../../lib/errors.ts';
import { epochMsIn, toEpochMs } from '../../lib/stream/api/time.ts';
import { BadRowError } from '../../lib/stream/graph/operator.ts';
import { duration, toMs } from '../../lib/util/duration.ts';

describe('event times', () => {
  test('numbers are in the unit of the source; dates and texts are what they are', () => {
    const ms = fc.integer({ min: -62_167_219_199_000, max: 253_402_300_799_000 });
    fc.assert(
      fc.property(ms, fc.integer({ min: 0, max: 999_999 }), (t, nanos) => {
        const inNanos = BigInt(t) * 1_000_000n + BigInt(nanos);
        expect(epochMsIn('ms')(t)).toBe(t);
        const micros = t * 1000 + Math.floor(nanos / 1000);
        if (Number.isSafeInteger(micros)) expect(epochMsIn('us')(micros)).toBe(t);
        expect(epochMsIn('s')(Math.floor(t / 1000))).toBe(Math.floor(t / 1000) * 1000);
        if (String(inNanos).length > 16) expect(epochMsIn('ns')(String(inNanos))).toBe(t);
        // As a double it is some 100 ns off.
        expect(Math.abs(epochMsIn('ns')(Number(inNanos) + 0) - t)).toBeLessThanOrEqual(1);
        for (const unit of ['s', 'ms', 'us', 'ns'] as const) {
          expect(epochMsIn(unit)(new Date(t))).toBe(t);
          expect(epochMsIn(unit)(new Date(t).toISOString())).toBe(t);
        }
      }),
    );
    expect(epochMsIn('s')(1.9999)).toBe(1999);
    expect(epochMsIn('s')(-0.0001)).toBe(-1);
    expect(epochMsIn('us')(-1)).toBe(-1);
    expect(epochMsIn('ns')(1357034400000000000)).toBe(1357034400000);
    expect(Object.is(epochMsIn('ns')(0), 0)).toBe(true);
  });

  test('a number that is no time in its unit is refused, with the unit in which it would be one', () => {
    const told = (unit: Parameters<typeof epochMsIn>[0], value: unknown): string => {
      try {
        return String(epochMsIn(unit)(value));
      } catch (error) {
        return error instanceof BadRowError ? error.message : `${error}`;
      }
    };
    expect(told('s', 1357034400000)).toMatch(
      /^event time 1357034400000 is in no year from 0 to 9999, taken in 's' .*; in 'ms' it would be 2013-01-01: give the source eventTimeUnit: 'ms'$/,
    );
    expect(told('ms', 1357034400000000)).toMatch(/; in 'us' it would be 2013-01-01/);
    expect(told(undefined, 1357034400000000000)).toMatch(
      /is not a time in epoch milliseconds; in 'ns' it would be 2013-01-01: give the source eventTimeUnit: 'ns'$/,
    );
    expect(told('us', '1357034400000000000')).toMatch(/; in 'ns' it would be 2013-01-01/);
    expect(told('s', Number.NaN)).toMatch(/^event time NaN is in no year[^;]*$/);
    expect(told('s', '1357034400')).toMatch(/is not ISO 8601/);
    expect(told('s', null)).toBe('event time is missing');
  });

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
    expect(() => toEpochMs(value)).toThrow(BadRowError);
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
