/** What a call of join() refuses, with words that say what to change, and what it takes. */
import { describe, expect, it } from 'vitest';
import { job, session, sliding, source, table, tumbling } from '../../lib/index.ts';
import { compileJob } from '../../lib/stream/compile/compile.ts';

interface Row {
  readonly k: string;
  readonly t: number;
}

// biome-ignore lint/suspicious/noExplicitAny: what the types refuse is given all the same
const any = (value: unknown): any => value;
const keyed = (name: string, options: object = { eventTime: (r: Row) => r.t, delay: 10 }) =>
  source<Row>(name, options).keyBy((r) => r.k);
const left = keyed('left');
const right = keyed('right');
const untimed = keyed('untimed', {});
const unfollowed = keyed('unfollowed', { eventTime: (r: Row) => r.t });
const select = (l: Row | null, r: Row | null): unknown => [l, r];

describe('join() refuses', () => {
  it.each<[what: string, code: string, make: () => unknown, message?: RegExp]>([
    ['no stream', 'BAD_ARGUMENT', () => left.join(any(undefined), { select })],
    ['a stream without key', 'BAD_ARGUMENT', () => left.join(any(source('x')), { select })],
    ['no options', 'BAD_JOIN', () => left.join(right, any(undefined)), /select/],
    ['an unknown option', 'BAD_JOIN', () => left.join(right, any({ select, were: () => true })), /'were'/],
    ['an unknown type', 'BAD_JOIN', () => left.join(right, any({ type: 'outer', select })), /"outer"/],
    ['no select', 'BAD_JOIN', () => left.join(right, any({ within: 1 })), /select/],
    ['a select that is no function', 'BAD_JOIN', () => left.join(right, any({ select: 'left' }))],
    ['a where that is no function', 'BAD_JOIN', () => left.join(right, any({ where: true, select }))],
    ['within and window', 'BAD_JOIN', () => left.join(right, any({ within: 1, window: tumbling(1), select }))],
    ['a within that is no duration', 'BAD_JOIN', () => left.join(right, any({ within: true, select }))],
    ['half a within', 'BAD_JOIN', () => left.join(right, any({ within: { before: 1 }, select })), /after is missing/],
    ['a within of NaN', 'BAD_DURATION', () => left.join(right, { within: Number.NaN, select })],
    ['a within of half a ms', 'BAD_DURATION', () => left.join(right, { within: 0.5, select })],
    [
      'a within of words',
      'BAD_DURATION',
      () => left.join(right, any({ within: '5 apples', select })),
      /within: before/,
    ],
    [
      'an endless negative within',
      'BAD_DURATION',
      () => left.join(right, { within: { before: -Infinity, after: 1 }, select }),
    ],
    [
      'a within around nothing',
      'BAD_JOIN',
      () => left.join(right, { within: { before: 5, after: -6 }, select }),
      /negative/,
    ],
    ['sessions', 'BAD_WINDOW', () => left.join(right, any({ window: session(5), select }))],
    ['a window that is none', 'BAD_WINDOW', () => left.join(right, any({ window: 5, select }))],
    ['an unknown eventTime', 'BAD_JOIN', () => left.join(right, any({ eventTime: 'first', select }))],
    ['another eventTime of leftSemi', 'BAD_JOIN', () => left.join(right, { type: 'leftSemi', eventTime: 'right' })],
    ['within without event time', 'NO_EVENT_TIME', () => left.join(untimed, { within: 5, select }), /right/],
    ['a window without event time', 'NO_EVENT_TIME', () => untimed.join(left, { window: tumbling(5), select }), /left/],
    ['left for ever', 'JOIN_NEEDS_WATERMARK', () => left.join(right, { type: 'left', select }), /within or window/],
    ['full for ever', 'JOIN_NEEDS_WATERMARK', () => left.join(right, { type: 'full', select })],
    [
      'left, where right rows have no watermark',
      'JOIN_NEEDS_WATERMARK',
      () => left.join(unfollowed, { type: 'left', within: 5, select }),
      /source of the right rows a delay/,
    ],
    [
      'right, where left rows have no watermark',
      'JOIN_NEEDS_WATERMARK',
      () => unfollowed.join(right, { type: 'right', within: 5, select }),
      /source of the left rows a delay/,
    ],
    [
      'left that waits without end',
      'JOIN_NEEDS_WATERMARK',
      () => left.join(right, { type: 'left', within: { before: 0, after: Infinity }, select }),
      /finite after/,
    ],
    [
      'windows that never end',
      'JOIN_NEEDS_WATERMARK',
      () => unfollowed.join(unfollowed, { type: 'full', window: sliding(5, 1), select }),
    ],
    ['a table: within', 'BAD_JOIN', () => left.join(table(right), any({ within: 5, select })), /'within'/],
    ['a table: right', 'BAD_JOIN', () => left.join(table(right), any({ type: 'right', select }))],
    ['a table: no select', 'BAD_JOIN', () => left.join(table(right), any({}))],
    ['a table: no options', 'BAD_JOIN', () => left.join(table(right), any(undefined))],
  ])('%s: %s', (_, code, make, message = /./) => {
    expect(make).toThrow(expect.objectContaining({ name: 'JobError', code, message: expect.stringMatching(message) }));
  });

  it('in job(): windows behind rows of any age, and complete mode without a table', () => {
    const forever = left.join(right, { select: (l) => l });
    const perHour = forever.keyBy((r) => r.k).window(tumbling('1 h'));
    expect(() =>
      job(
        'j',
        perHour.reduce((a) => a),
      ),
    ).toThrow(expect.objectContaining({ code: 'APPEND_NEEDS_WATERMARK' }));
    expect(() => job('j', forever, { outputMode: 'complete' })).toThrow(
      expect.objectContaining({ code: 'COMPLETE_NEEDS_AGGREGATION' }),
    );
  });
});

describe('join() takes', () => {
  it.each<[what: string, make: () => unknown]>([
    [
      'text, negative and endless bounds',
      () => left.join(right, { within: { before: '-5 s', after: Infinity }, select }),
    ],
    ['right, where only left rows have a watermark', () => left.join(unfollowed, { type: 'right', within: 5, select })],
    [
      'windows where one side has a watermark',
      () => left.join(unfollowed, { type: 'full', window: tumbling(5), select }),
    ],
    ['leftSemi without select', () => left.join(right, { type: 'leftSemi' })],
    ['no event time', () => untimed.join(untimed, { select })],
    [
      'conditions on both sides, whatever the type',
      () => left.join(right, { whereLeft: () => true, whereRight: () => true, select }),
    ],
  ])('%s', (_, make) => {
    compileJob(job('j', any(make())));
  });
});

describe('the watermark of its results is held back', () => {
  const watermarkOf = (options: object, watermark = 1000): number => {
    const stream = left.join(right, any({ select: (l: Row | null, r: Row | null) => l ?? r, ...options }));
    const { stages } = compileJob(job('j', stream.keyBy(() => null).latest(), { outputMode: 'update' }));
    return stages[1]!.operators[0]!.watermark(watermark);
  };
  const within = { before: 30, after: 50 };
  it.each<[options: object, watermark: number]>([
    [{ within }, 1000],
    [{ within, eventTime: 'left' }, 949],
    [{ within, eventTime: 'right' }, 969],
    [{ within, type: 'left' }, 949],
    [{ within, type: 'right' }, 969],
    [{ within, type: 'full' }, 949],
    [{ within, type: 'leftSemi' }, 949],
    [{ within: { before: 30, after: -10 }, type: 'left' }, 1000],
    [{ within: { before: Infinity, after: 5 }, eventTime: 'left' }, 994],
    [{ within: { before: Infinity, after: 5 }, eventTime: 'right' }, -Infinity],
    [{ within: { before: Infinity, after: Infinity } }, 1000],
    [{ window: tumbling(300) }, 1000],
    [{ window: tumbling(500, { offset: 1 }) }, 999],
    [{}, -Infinity],
  ])('%o: %d', (options, watermark) => {
    expect(watermarkOf(options)).toBe(watermark);
    expect(watermarkOf(options, Infinity)).toBe(Infinity);
  });
});
