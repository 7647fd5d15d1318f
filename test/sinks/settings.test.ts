import { describe, expect, it } from 'vitest';
import { openSinks } from '../../lib/sinks/open-sinks.ts';
import { readSinkSettings } from '../../lib/sinks/settings.ts';
import { makeBatch, serviceOptions } from './helpers.ts';

const read = (...sinks: unknown[]) => readSinkSettings(JSON.stringify(sinks));

describe('settings of sinks', () => {
  it('are read for every kind', () => {
    const sinks = [
      { output: 'hourly', kind: 'sqs', queueUrl: 'https://sqs.eu-west-1.amazonaws.com/1/q.fifo', groupBy: 'key' },
      { output: 'hourly', kind: 'eventbridge', bus: 'b', source: 'shop', detailType: 'Total' },
      { output: '_quarantine', kind: 'dynamodb', table: 't', partitionKey: 'a', sortKey: 'b' },
      { output: 'hourly', kind: 'parquet', bucket: 'b', prefix: 'p/', columns: { a: 'json' } },
      { output: 'hourly', kind: 'ndjson', prefix: '' },
    ];
    expect(read(...sinks)).toEqual(sinks);
    expect(read()).toEqual([]);
  });

  it.each([
    ['{', /not JSON/],
    ['{}', /a list/],
    ['[1]', /sink 0 must be an object/],
    ['[{"kind":"sqs"}]', /sink 0 needs the name of an output/],
    ['[{"output":"a/b","kind":"sqs"}]', /name of an output, not "a\/b"/],
    ['[{"output":"hourly","kind":"kafka"}]', /kind "kafka"; there are sqs, eventbridge, dynamodb, parquet, ndjson/],
    ['[{"output":"hourly","kind":"constructor"}]', /kind "constructor"/],
    ['[{"output":"hourly","kind":"sqs"}]', /output hourly.*needs queueUrl/],
    ['[{"output":"hourly","kind":"sqs","queueUrl":"q"}]', /URL of a queue/],
    [
      '[{"output":"hourly","kind":"sqs","queueUrl":"http://q","group":"key"}]',
      /has group, which is not one of queueUrl, groupBy/,
    ],
    ['[{"output":"hourly","kind":"sqs","queueUrl":"http://q","groupBy":"row"}]', /'partition' or 'key'/],
    ['[{"output":"hourly","kind":"eventbridge","bus":"b","source":"aws.s3"}]', /must not begin with 'aws\.'/],
    ['[{"output":"hourly","kind":"dynamodb","table":7}]', /table 7: it must be text/],
    ['[{"output":"hourly","kind":"parquet","prefix":"a"}]', /end with '\/'/],
    ['[{"output":"hourly","kind":"ndjson","prefix":"../"}]', /end with '\/'/],
    ['[{"output":"hourly","kind":"parquet","columns":{"a":"int"}}]', /number, text, boolean, timestamp, json/],
  ])('are refused with a reason: %s', (json, reason) => {
    expect(() => readSinkSettings(json)).toThrow(reason);
    expect(() => readSinkSettings(json)).toThrow(/Correct the sinks of MisaJob/);
  });

  it('say which outputs somebody wants; others are nobody’s', async () => {
    const sinks = openSinks(
      '[{"output":"hourly","kind":"sqs","queueUrl":"http://q"}]',
      serviceOptions('http://127.0.0.1:1'),
    );
    expect([sinks.has('hourly'), sinks.has('daily')]).toEqual([true, false]);
    await sinks.deliver(makeBatch([1], { output: 'daily' }));
  });
});
