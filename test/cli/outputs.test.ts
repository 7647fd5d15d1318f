/** What the command line says about results, before a job is loaded. */
import { describe, expect, it } from 'vitest';
import { parseOutput } from '../../cli/run/outputs.ts';

describe('the form of results on the command line', () => {
  it('takes the word table beside a place, and alone for a place of its own', () => {
    expect(parseOutput({ output: ['results', 'table'] })).toMatchObject({ place: 'results', options: { table: true } });
    expect(parseOutput({ output: ['table', 'results'] })).toMatchObject({ place: 'results', options: { table: true } });
    expect(parseOutput({ output: ['table'] })).toMatchObject({ place: 'results', options: { table: true } });
    expect(parseOutput({ output: ['./table'] }).options.table).toBeUndefined();
    expect(parseOutput({ output: ['out'], tableKey: 'key, windowStart' }).options).toMatchObject({
      table: true,
      tableKey: ['key', 'windowStart'],
    });
  });

  it('asks for nothing when nothing is said', () => {
    expect(Object.values(parseOutput({}).options).every((value) => value === undefined)).toBe(true);
    expect(parseOutput({ output: ['-'] }).place).toBe('-');
  });

  it('reads sizes, times and kinds of columns', () => {
    const options = (rollBytes: string, rollInterval: string) =>
      parseOutput({ output: ['out'], rollBytes, rollInterval, outputColumns: ['a=json,b=integer', 'c=d=timestamp'] })
        .options;
    expect(options('64MB', '10 min')).toMatchObject({
      rollBytes: 64_000_000,
      rollIntervalMs: 600_000,
      columns: { a: 'json', b: 'integer', 'c=d': 'timestamp' },
    });
    expect(options('1.5 GiB', '30s').rollBytes).toBe(1.5 * 2 ** 30);
    expect(options('500', '1 ms').rollBytes).toBe(500);
  });

  it.each([
    [{ output: [''] }, 'name a directory'],
    [{ output: ['a', 'b'] }, 'one place'],
    [{ output: ['-'], outputFormat: 'csv' }, '--output DIR'],
    [{ rollBytes: '1MB' }, '--output DIR'],
    [{ output: ['a'], rollBytes: 'much' }, 'no size'],
    [{ output: ['a'], rollBytes: '0' }, 'no size'],
    [{ output: ['a'], rollInterval: '5' }, 'no length of time'],
    [{ output: ['a'], rollInterval: '0 s' }, 'no length of time'],
    [{ output: ['a'], outputColumns: ['a=int'] }, 'COLUMN=KIND'],
    [{ output: ['a'], outputLayout: 'flat', outputFormat: 'csv' }, 'flat layout'],
  ] as const)('refuses %j', (args, text) => {
    expect(() => parseOutput(args as Parameters<typeof parseOutput>[0])).toThrow(text);
  });
});
