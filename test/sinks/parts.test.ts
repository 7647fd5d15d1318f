import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { names } from '../../lib/object-store/names.ts';
import { createdObjects } from '../../lib/sinks/created-objects.ts';
import { InFlight } from '../../lib/sinks/in-flight.ts';
import { keyText } from '../../lib/sinks/key-text.ts';
import { parseResultName } from '../../lib/sinks/result-name.ts';

describe('the text of a key', () => {
  it('is the text itself, and = with JSON for all else', () => {
    const texts = ['AA', '12', '"', '[', 'é 😀'];
    for (const text of texts) expect(keyText(text)).toBe(text);
    expect([12, null, true, ['AA', 1], '', '=1', '\ud800'].map(keyText)).toEqual([
      '=12',
      '=null',
      '=true',
      '=["AA",1]',
      '=""',
      '="=1"',
      '="\\ud800"',
    ]);
    expect([undefined, {}].map(keyText)).toEqual([undefined, undefined]);
  });

  it('is never the same for two keys, not even in UTF-8', () => {
    const part = fc.oneof(
      fc.string({ unit: fc.constantFrom('=', '"', '1', '\ud800', '\ufffd', '[', '\\') }),
      fc.constantFrom(null, true, 1, '1', '=1', 'null'),
    );
    const key = fc.oneof(part, fc.array(part, { maxLength: 2 }));
    fc.assert(
      fc.property(key, key, (a, b) => {
        const same = JSON.stringify(a) === JSON.stringify(b);
        expect(Buffer.from(keyText(a)!).equals(Buffer.from(keyText(b)!))).toBe(same);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('names of results', () => {
  it('are read as they were formed', () => {
    for (const output of ['hourly', '_quarantine', 'a.b-c_d']) {
      const name = names('my-job', 3).out(output, 11, 42);
      expect(parseResultName(name)).toEqual({ job: 'my-job', epoch: 3, output, partition: 11, n: 42 });
    }
  });

  it('are no names of other objects', () => {
    const of = names('job', 1);
    const others = [
      of.jobFile(),
      of.log('s0/p0', 1),
      of.manifest('s0/p0'),
      of.segment(1, 'ab'),
      of.sst('s0/p0', 'ab'),
      of.log('planner', 1),
    ];
    for (const name of others) expect(parseResultName(name)).toBeUndefined();
    expect(parseResultName('x/job/e1/out/o/p0/000000000001')).toBeUndefined();
  });
});

describe('notifications of S3', () => {
  const record = (key: string, eventName = 'ObjectCreated:Put') => ({
    eventName,
    s3: { bucket: { name: 'b' }, object: { key, size: 5 } },
  });

  it('name the objects that were created', () => {
    const body = JSON.stringify({ Records: [record('a+b%2Fc%C3%A9'), record('gone', 'ObjectRemoved:Delete')] });
    expect(createdObjects(body)).toEqual([{ bucket: 'b', key: 'a b/cé' }]);
    expect(createdObjects('{"Service":"Amazon S3","Event":"s3:TestEvent"}')).toEqual([]);
  });

  it.each(['', '1', 'null', '{}', '{"Records":1}', '{"Records":[{"eventName":"ObjectCreated:Put"}]}'])(
    'are told from other messages: %s',
    (body) => expect(() => createdObjects(body)).toThrow(/no notification of S3/),
  );
});

describe('work in flight', () => {
  it('is never more than the limit, for all who share it, and all of it is done', async () => {
    const inFlight = new InFlight(3);
    let running = 0;
    let most = 0;
    const done: number[] = [];
    const work = async (n: number) => {
      most = Math.max(most, ++running);
      for (let i = 0; i < n % 4; i++) await Promise.resolve();
      running--;
      done.push(n);
    };
    const lists = [0, 1, 2].map((list) => Array.from({ length: 20 }, (_, i) => list * 20 + i));
    await Promise.all(lists.map((list) => inFlight.forEach(list, work)));
    expect(most).toBe(3);
    expect(done.sort((a, b) => a - b)).toEqual(lists.flat());
  });

  it('begins no more after a failure, and ends when nothing runs any more', async () => {
    const inFlight = new InFlight(2);
    const begun: number[] = [];
    let running = 0;
    const failing = inFlight.forEach([0, 1, 2, 3, 4, 5], async (n) => {
      begun.push(n);
      running++;
      await new Promise((resolve) => setImmediate(resolve));
      running--;
      if (n === 1) throw new Error('one failed');
    });
    await expect(failing).rejects.toThrow('one failed');
    expect(running).toBe(0);
    expect(begun.length).toBeLessThan(5);
    await inFlight.forEach([7], async (n) => void begun.push(n));
    expect(begun.at(-1)).toBe(7);
  });
});
